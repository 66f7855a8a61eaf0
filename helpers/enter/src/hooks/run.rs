//! Runs the operations before the change of user, one after the other, in this process as root. The operations after it
//! are run by the process that becomes the app ([`crate::app::launch`]).

use crate::environment::Environment;
use crate::failure::Failure;
use crate::hooks::actions::perform::{Shell, perform};
use crate::hooks::command;
use crate::hooks::command::Ended;
use crate::hooks::output::HookOutput;
use crate::hooks::refusal::{place, with_last_words};
use crate::hooks::session::Session;
use crate::stop::Stop;
use std::time::Duration;
use vassal_config::vassal::plan::Operation;

/// What the operations before the change of user have in common.
#[derive(Debug)]
pub struct RootHooks<'a> {
    /// Where the commands' output goes.
    pub log: &'a mut HookOutput,
    /// systemd's request to stop.
    pub stop: &'a Stop<'a>,
    /// How long one hook may take.
    pub limit: Duration,
}

/// Runs commands with a limit and relays their output.
struct Supervised<'a> {
    log: &'a mut HookOutput,
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

impl RootHooks<'_> {
    /// Runs `operation`. Its changes to `session` are seen by the next one.
    ///
    /// # Errors
    /// The failure with its line and, for a command, its last words.
    pub fn run(&mut self, operation: &Operation, session: &mut Session<'_>) -> Result<(), Failure> {
        let mut shell = Supervised {
            log: self.log,
            stop: self.stop,
            limit: self.limit,
        };
        let done =
            permitted(operation, session).and_then(|()| perform(&operation.action, session, &mut shell));
        done.map_err(|failure| with_last_words(failure.at(&place(operation)), operation, self.log))
    }
}

/// Refuses a root command in a root directory of the vassal's own that is not trusted.
fn permitted(operation: &Operation, session: &Session<'_>) -> Result<(), Failure> {
    match &session.own_root {
        Some(own) => own.permit(operation, session.shells, &session.environment, session.proc),
        None => Ok(()),
    }
}

/// The environment for root's commands: what the vassal's file sets, without the variables by which the dynamic loader
/// would load a tenant's files into root's process.
fn for_root(environment: &Environment) -> Environment {
    const LOADERS: [&[u8]; 4] = [b"LD_", b"GLIBC_", b"GCONV_", b"MALLOC_"];
    let is_loader = |name: &[u8]| LOADERS.iter().any(|loader| name.starts_with(loader));
    let variables = environment.iter().filter(|(name, _)| !is_loader(name));
    variables.cloned().collect()
}
