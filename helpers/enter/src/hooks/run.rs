//! The operations of a plan, one after the other: those before the change of user here, as root; those after it in
//! the process that becomes the app ([`crate::app::launch`]), supervised from here.

use crate::failure::{Failure, Place};
use crate::hooks::command;
use crate::hooks::command::Ended;
use crate::hooks::output::HookLog;
use crate::hooks::perform::{Session, Shell, perform};
use crate::hooks::remedy;
use crate::invocation::Environment;
use crate::stop::Stop;
use std::time::Duration;
use vassal_config::diagnostic::Public;
use vassal_config::hooks::action::Action;
use vassal_config::hooks::phase::{Phase, hook_option};
use vassal_config::vassal::plan::Operation;
use vassal_escape::printable;

/// What the operations before the change of user share: they run in this process, as root.
#[derive(Debug)]
pub struct Roots<'a> {
    /// Where the commands' output goes.
    pub log: &'a mut HookLog,
    /// systemd's wish to stop.
    pub stop: &'a Stop<'a>,
    /// How long one hook may take.
    pub limit: Duration,
}

/// Runs commands here and waits for them, with a limit, relaying their log.
struct Supervised<'a> {
    log: &'a mut HookLog,
    stop: &'a Stop<'a>,
    limit: Duration,
}

impl Shell for Supervised<'_> {
    fn run(
        &mut self,
        shells: &[Vec<u8>],
        command: &[u8],
        environment: &Environment,
    ) -> Result<Ended, Failure> {
        self.log.forget();
        let child = command::spawn(shells, command, &for_root(environment), self.log.writer())?;
        command::supervise(child, self.limit, self.log, self.stop)
    }
}

impl Roots<'_> {
    /// Runs `operations`; what they leave behind in `session` is the next process's.
    ///
    /// # Errors
    /// The first operation that fails, with its line and, for a command, its last words.
    pub fn run(&mut self, operations: &[Operation], session: &mut Session<'_>) -> Result<(), Failure> {
        operations
            .iter()
            .try_for_each(|operation| self.run_one(operation, session))
    }

    /// Runs one of them.
    ///
    /// # Errors
    /// As [`Roots::run`].
    pub fn run_one(&mut self, operation: &Operation, session: &mut Session<'_>) -> Result<(), Failure> {
        let mut shell = Supervised {
            log: self.log,
            stop: self.stop,
            limit: self.limit,
        };
        let done =
            permitted(operation, session).and_then(|()| perform(&operation.action, session, &mut shell));
        done.map_err(|failure| told(failure.at(&place(operation)), operation, self.log))
    }
}

/// In a root directory of the vassal's own, root runs only what is root's.
fn permitted(operation: &Operation, session: &Session<'_>) -> Result<(), Failure> {
    match &session.own_root {
        Some(own) => own.permit(operation, session.shells, &session.environment, session.proc),
        None => Ok(()),
    }
}

/// Root's commands see what the vassal's file sets, but not what would make root load a file of somebody's.
fn for_root(environment: &Environment) -> Environment {
    const LOADERS: [&[u8]; 4] = [b"LD_", b"GLIBC_", b"GCONV_", b"MALLOC_"];
    let is_loader = |name: &[u8]| LOADERS.iter().any(|loader| name.starts_with(loader));
    let variables = environment.iter().filter(|(name, _)| !is_loader(name));
    variables.cloned().collect()
}

/// Adds a failed command's last words and what is known about them.
pub fn told(mut failure: Failure, operation: &Operation, log: &mut HookLog) -> Failure {
    if !matches!(operation.action, Action::Exec { .. }) {
        return failure;
    }
    let words = log.last_words();
    let said = words
        .as_ref()
        .map_or(String::new(), |words| format!("; its last words: {words}"));
    let remedy = remedy::remedy(words.as_deref().unwrap_or_default());
    let remedy = remedy.map_or(String::new(), |remedy| format!(" ({remedy})"));
    failure.message.push_str(&format!("{said}{remedy}"));
    // What a command of root's says may be of a file that is root's alone.
    let shown = match operation.phase >= Phase::AsUser {
        true => format!("{said}{remedy}"),
        false => remedy,
    };
    failure.public = failure.public.with_said(&shown);
    failure
}

/// Where an operation comes from, for the beginning of a message: `user001.ini:6: as-user hook 'TEXT'` for a hook,
/// `user001.ini:6: OPTION` for another option.
pub fn place(operation: &Operation) -> Place {
    let origin = operation.origin.as_ref();
    let kind = match hook_option(&operation.option) {
        Some((_, phase)) => format!("{phase} hook"),
        None => printable(&operation.option),
    };
    let text = match hook_option(&operation.option) {
        Some(_) => format!(" '{}'", printable(&operation.text)),
        None => String::new(),
    };
    let shown = origin.map(ToString::to_string).unwrap_or_default();
    Place {
        text: format!("{shown}: {kind}{text}"),
        public: Public::place(origin, kind.as_bytes()),
    }
}
