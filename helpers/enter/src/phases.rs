//! The operations of a plan, one after the other: those before the change of user here, as root; those after it in
//! the process that becomes the app ([`crate::payload`]), supervised from here.

use crate::command::{self, Ended};
use crate::diagnose;
use crate::failure::Failure;
use crate::hooks::{Session, Shell, perform};
use crate::log::HookLog;
use crate::start::Environment;
use nix::sys::signalfd::SignalFd;
use std::os::fd::OwnedFd;
use std::time::Duration;
use vassal_config::action::Action;
use vassal_config::phase::Phase;
use vassal_config::plan::Operation;
use vassal_sys::text::printable;

/// What the operations before the change of user share: they run in this process, as root.
#[derive(Debug)]
pub struct Roots<'a> {
    /// A private proc of this PID namespace.
    pub proc: &'a OwnedFd,
    /// Where the commands' output goes.
    pub log: &'a mut HookLog,
    /// systemd's wish to stop.
    pub stop: &'a SignalFd,
    /// How long one hook may take.
    pub limit: Duration,
}

/// Runs commands here and waits for them, with a limit, relaying their log.
struct Supervised<'a> {
    log: &'a mut HookLog,
    stop: &'a SignalFd,
    limit: Duration,
}

impl Shell for Supervised<'_> {
    fn run(&mut self, command: &[u8], environment: &Environment) -> Result<Ended, Failure> {
        self.log.forget();
        let child = command::spawn(command, environment, self.log.writer())?;
        command::supervise(child, self.limit, self.log, self.stop)
    }
}

impl Roots<'_> {
    /// Runs `operations`. The environment they leave behind is the next process's.
    ///
    /// # Errors
    /// The first operation that fails, with its line and, for a command, its last words.
    pub fn run(
        &mut self,
        operations: &[Operation],
        environment: Environment,
    ) -> Result<Environment, Failure> {
        let mut session = Session {
            environment,
            proc: self.proc,
            limit: self.limit,
        };
        for operation in operations {
            let mut shell = Supervised {
                log: self.log,
                stop: self.stop,
                limit: self.limit,
            };
            if let Err(failure) = perform(&operation.action, &mut session, &mut shell) {
                return Err(told(failure.at(&place(operation)), operation, self.log));
            }
        }
        Ok(session.environment)
    }
}

/// Adds a failed command's last words and what is known about them.
pub fn told(mut failure: Failure, operation: &Operation, log: &mut HookLog) -> Failure {
    if !matches!(operation.action, Action::Exec { .. }) {
        return failure;
    }
    let words = log.last_words();
    if let Some(words) = &words {
        failure.message.push_str("; its last words: ");
        failure.message.push_str(words);
    }
    if let Some(remedy) = diagnose::remedy(words.as_deref().unwrap_or_default()) {
        failure.message.push_str(&format!(" ({remedy})"));
    }
    failure
}

/// Where an operation comes from, for the beginning of a message: `user001.ini:6: as-user hook 'TEXT'`.
pub fn place(operation: &Operation) -> String {
    let origin = operation
        .origin
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    let text = printable(&operation.text);
    match (&operation.action, operation.phase) {
        (Action::Chroot(_), _) => format!("{origin}: chroot"),
        (Action::PivotRoot(..), _) => format!("{origin}: pivot_root"),
        (_, Phase::Jail) => origin,
        (_, phase) => format!("{origin}: {phase} hook '{text}'"),
    }
}
