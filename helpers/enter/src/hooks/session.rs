//! What the actions of one process share.

use crate::environment::{DEFAULT_PATH, Environment};
use crate::failure::Failure;
use crate::files::safe_open;
use crate::hooks::own_root::OwnRoot;
use crate::hooks::refusal::refused;
use crate::stop::Stop;
use nix::unistd::{Pid, geteuid};
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::time::Duration;
use vassal_config::vassal::plan::Plan;
use vassal_sys::SysError;
use vassal_sys::error::Context;
use vassal_sys::proc::Proc;

/// The state that the actions of one process share.
#[derive(Debug)]
pub struct Session<'a> {
    /// The environment of commands and of the app; `putenv` changes it.
    pub environment: Environment,
    /// Variables of an envdir that others than root could write: for the app only, not for root's commands.
    pub foreign: Vec<safe_open::Change>,
    /// The shells of commands.
    pub shells: &'a [Vec<u8>],
    /// A private proc of this PID namespace.
    pub proc: &'a Proc,
    /// How long one action may wait.
    pub limit: Duration,
    /// systemd's request to stop, if this process has to obey it.
    pub stop: Option<&'a Stop<'a>>,
    /// The file for the app's output, if that is not the journal.
    pub output: Option<OwnedFd>,
    /// The files for the number of the app's process.
    pub pidfiles: Vec<File>,
    /// What was found out about the vassal's own root directory, before the change to it or after.
    pub own_root: Option<OwnRoot>,
    /// The old root directory after pivot_root.
    pub old_root: Option<OwnedFd>,
}

impl<'a> Session<'a> {
    /// A session that has only these values.
    pub fn new(environment: Environment, shells: &'a [Vec<u8>], limit: Duration, proc: &'a Proc) -> Self {
        Self {
            environment,
            foreign: Vec::new(),
            shells,
            proc,
            limit,
            stop: None,
            output: None,
            pidfiles: Vec::new(),
            own_root: None,
            old_root: None,
        }
    }

    /// The session with which `plan` begins. It has the environment of the start without uWSGI's options (A2), which
    /// reach uWSGI in another way.
    pub fn of_start(
        plan: &'a Plan,
        mut environment: Environment,
        proc: &'a Proc,
        stop: &'a Stop<'a>,
    ) -> Self {
        environment.retain(|(name, _)| !name.starts_with(b"UWSGI_"));
        if !environment.iter().any(|(name, _)| name == b"PATH") {
            environment.push((b"PATH".to_vec(), DEFAULT_PATH.to_vec()));
        }
        Self {
            stop: Some(stop),
            ..Self::new(environment, &plan.shells, plan.settings.hook_limit, proc)
        }
    }

    /// Writes the number of the app's process, as the app itself sees it, into the opened pidfiles.
    ///
    /// # Errors
    /// A full filesystem.
    pub fn write_pid(&self, app: Pid) -> Result<(), SysError> {
        let mut files = self.pidfiles.iter();
        files.try_for_each(|mut file| writeln!(file, "{app}").context(|| "write the pidfile"))
    }

    /// The environment of the app: that of the commands, plus the variables that root's commands must not have.
    pub fn apps_environment(&self) -> Environment {
        let mut environment = self.environment.clone();
        environment.retain(|(name, _)| !self.foreign.iter().any(|(known, _)| known == name));
        let foreign = self.foreign.iter().cloned();
        environment.extend(foreign.filter_map(|(name, value)| Some((name, value?))));
        environment
    }

    /// Sets a variable; replaces an existing one.
    ///
    /// # Errors
    /// None; the signature is that of all actions.
    pub fn set(&mut self, name: &[u8], value: &[u8]) -> Result<(), Failure> {
        self.unset(name)?;
        self.environment.push((name.to_vec(), value.to_vec()));
        Ok(())
    }

    /// Removes a variable.
    ///
    /// # Errors
    /// None; the signature is that of all actions.
    pub fn unset(&mut self, name: &[u8]) -> Result<(), Failure> {
        self.environment.retain(|(known, _)| known != name);
        self.foreign.retain(|(known, _)| known != name);
        Ok(())
    }

    /// Sets the variables of an envdir. As root, those of an envdir that others than root could write are kept for the
    /// app alone.
    ///
    /// # Errors
    /// As [`safe_open::read_envdir`].
    pub fn read_envdir(&mut self, path: &[u8]) -> Result<(), Failure> {
        let (changes, is_trusted) = safe_open::read_envdir(path, self.proc)?;
        for (name, value) in changes {
            if geteuid().is_root() && !is_trusted {
                self.foreign.retain(|(known, _)| *known != name);
                self.foreign.push((name, value));
            } else {
                self.unset(&name)?;
                self.environment.extend(value.map(|value| (name, value)));
            }
        }
        Ok(())
    }

    /// Opens the file for the app's output.
    ///
    /// # Errors
    /// As [`safe_open::open_log`].
    pub fn open_log(&mut self, path: &[u8]) -> Result<(), Failure> {
        self.output = Some(safe_open::open_log(path, self.proc).map_err(refused)?);
        Ok(())
    }

    /// Opens a file for the number of the app's process.
    ///
    /// # Errors
    /// As [`safe_open::open_pidfile`].
    pub fn open_pidfile(&mut self, path: &[u8]) -> Result<(), Failure> {
        let file = safe_open::open_pidfile(path, self.proc).map_err(refused)?;
        self.pidfiles.push(file);
        Ok(())
    }
}
