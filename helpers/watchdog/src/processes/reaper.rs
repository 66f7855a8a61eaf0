//! Reaps children: the app, probes, and all orphans of the vassal, for which the watchdog is init or subreaper.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use std::fmt;
use std::os::fd::AsFd;
use std::time::Duration;
use vassal_escape::printable;
use vassal_sys::deadline::Deadline;
use vassal_sys::proc::Proc;
use vassal_systemd::status;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With this exit code.
    Exited(i32),
    /// By this signal.
    Killed(Signal),
}

impl Ended {
    /// The exit code, if it exited.
    pub fn code(self) -> Option<i32> {
        match self {
            Ended::Exited(code) => Some(code),
            Ended::Killed(_) => None,
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Exited(code) => f.write_str(&status::EXITED.with(&[("code", code)])),
            Ended::Killed(signal) => f.write_str(&status::KILLED.with(&[("signal", signal)])),
        }
    }
}

/// A child that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Its number.
    pub pid: Pid,
    /// How it ended.
    pub how: Ended,
    /// Its name, if a signal has killed it.
    pub name: Option<String>,
}

/// Reaps every child that has ended. Also returns whether there are children left.
pub fn reap(proc: &Proc) -> (Vec<Child>, bool) {
    reap_with(proc, |_| {})
}

/// As [`reap`]; calls `tell` for each child before anything else is done about it.
pub fn reap_with(proc: &Proc, mut tell: impl FnMut(Pid)) -> (Vec<Child>, bool) {
    let mut ended = Vec::new();
    // The child is looked at before it is reaped: afterwards its name is gone.
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    loop {
        let (pid, how) = match waitid(Id::All, look) {
            Ok(WaitStatus::Exited(pid, code)) => (pid, Ended::Exited(code)),
            Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, Ended::Killed(signal)),
            Ok(WaitStatus::StillAlive) => return (ended, true),
            Ok(_) | Err(Errno::EINTR) => continue,
            Err(_) => return (ended, false),
        };
        tell(pid);
        let name = matches!(how, Ended::Killed(_)).then(|| process_name(proc, pid));
        // It has ended, so this does not block.
        if waitpid(pid, None).is_ok() {
            ended.push(Child { pid, how, name });
        }
    }
}

/// The name of a process that has not been reaped, for messages.
fn process_name(proc: &Proc, pid: Pid) -> String {
    match proc.name(pid) {
        Some(name) => printable(name.as_bytes()),
        None => format!("process {pid}"),
    }
}

/// If the parent of a process is outside of the PID namespace (nsenter(1)), there is no signal when the process ends,
/// so it is checked this often.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Reaps children until `is_over` returns `true`, for at most `limit`. Returns whether it did. `is_over` is called for
/// every child that ends, and without a child at the beginning, after each signal, and every 20 ms.
pub fn reap_until(
    proc: &Proc,
    signals: &SignalFd,
    limit: Duration,
    mut is_over: impl FnMut(&[Child], bool) -> bool,
) -> bool {
    let deadline = Deadline::after(limit);
    loop {
        let (ended, any_left) = reap(proc);
        if is_over(&ended, any_left) {
            return true;
        }
        if deadline.is_over() {
            return false;
        }
        let mut fds = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        if deadline.poll(&mut fds, LOOK_AGAIN).is_ok_and(|is_ready| is_ready) {
            take_signals(signals);
        }
    }
}

/// Reads all pending signals.
pub fn take_signals(signals: &SignalFd) -> Vec<Signal> {
    let next = || signals.read_signal().ok().flatten();
    std::iter::from_fn(next)
        .filter_map(|info| Signal::try_from(info.ssi_signo as i32).ok())
        .collect()
}
