//! Sends signals to processes that may have ended already; other errors are logged.

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use vassal_systemd::journal::{Priority, log};

/// Signals all processes of a group, if there are any.
pub fn signal_group(leader: Pid, signal: Signal) {
    ignore_gone(killpg(leader, signal));
}

/// Signals a process, if it exists.
pub fn send(pid: Pid, signal: Signal) {
    ignore_gone(kill(pid, signal));
}

fn ignore_gone(result: nix::Result<()>) {
    match result {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(errno) => warn(&format!("cannot signal a process: {}", errno.desc())),
    }
}

/// Logs an error that does not end the watchdog.
pub fn warn(message: &str) {
    log(Priority::Warning, message);
}
