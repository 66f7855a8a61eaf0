//! Signals to processes that may have ended already, and what is told of the others.

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use vassal_systemd::journal::{Priority, log};

/// Signals every process of a group, if there is any.
pub fn signal_group(leader: Pid, signal: Signal) {
    ignore_gone(killpg(leader, signal));
}

pub(super) fn send(pid: Pid, signal: Signal) {
    ignore_gone(kill(pid, signal));
}

fn ignore_gone(result: nix::Result<()>) {
    match result {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(errno) => warn(&format!("cannot signal a process: {}", errno.desc())),
    }
}

pub(super) fn warn(message: &str) {
    log(Priority::Warning, message);
}
