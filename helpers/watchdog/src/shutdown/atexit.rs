//! The as-user-atexit hooks.

use super::state::{KILL_LIMIT, Shutdown};
use crate::processes::signalling::{send, signal_group, warn};
use nix::fcntl::AtFlags;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, execveat};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use vassal_sys::clone::{Side, fork_apart};
use vassal_sys::{SysError, fds, signals};

impl Shutdown<'_> {
    pub(super) fn run_atexit(&self) {
        let Some((program, record)) = self.atexit else {
            return;
        };
        let limit = self.handoff.atexit_limit;
        match start_atexit(program, record) {
            Err(error) => warn(&format!("as-user-atexit hooks: {error}, skipping")),
            Ok(pid) if !self.reaped(pid, limit) => {
                let limit = limit.as_secs_f32();
                warn(&format!(
                    "as-user-atexit hooks did not return within {limit} s (atexit-timeout), killing them"
                ));
                signal_group(pid, Signal::SIGKILL);
                send(pid, Signal::SIGKILL);
                self.reaped(pid, KILL_LIMIT);
            }
            Ok(_) => {}
        }
    }
}

fn start_atexit(program: &OwnedFd, record: &OwnedFd) -> Result<Pid, SysError> {
    match fork_apart()? {
        Side::Parent(pid) => Ok(pid),
        Side::Child => {
            let failed = exec_atexit(program, record);
            warn(&format!("as-user-atexit hooks: {failed}, skipping"));
            std::process::exit(1)
        }
    }
}

fn exec_atexit(program: &OwnedFd, record: &OwnedFd) -> SysError {
    let prepare = || {
        signals::reset()?;
        fds::keep_over_exec(record.as_fd())
    };
    if let Err(error) = prepare() {
        return error;
    }
    let number = CString::new(record.as_raw_fd().to_string()).unwrap_or_default();
    let arguments: [&CStr; 3] = [c"vassal-enter", c"--atexit", &number];
    let environment: [&CStr; 0] = [];
    match execveat(program, c"", &arguments, &environment, AtFlags::AT_EMPTY_PATH) {
        Ok(never) => match never {},
        Err(errno) => SysError::new("start them", errno),
    }
}
