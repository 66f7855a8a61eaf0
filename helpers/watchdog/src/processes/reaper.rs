//! Children: the app, the probes, and every orphan of the vassal, for which the watchdog is init or subreaper.

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
    /// The name of one that a signal has killed.
    pub name: Option<String>,
}

/// Every child that has ended and was not yet reaped; and whether there are any left.
pub fn reap(proc: &Proc) -> (Vec<Child>, bool) {
    reap_with(proc, |_| {})
}

/// The same, and of each child `tell` hears before anything else is done about it.
pub fn reap_with(proc: &Proc, mut tell: impl FnMut(Pid)) -> (Vec<Child>, bool) {
    let mut ended = Vec::new();
    // Looked at first: a process has its name until it is reaped.
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
        // It has ended, so this does not wait.
        if waitpid(pid, None).is_ok() {
            ended.push(Child { pid, how, name });
        }
    }
}

/// The name of a process for messages, as long as it was not reaped.
fn process_name(proc: &Proc, pid: Pid) -> String {
    match proc.name(pid) {
        Some(name) => printable(name.as_bytes()),
        None => format!("process {pid}"),
    }
}

/// The end of a process whose parent is outside of the PID namespace (nsenter(1)) comes without a signal.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Reaps until `is_over` says so, for at most `limit`; whether it did. `is_over` is asked about every child that ends,
/// with none at the beginning, whenever a signal comes, and every 20 ms.
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

/// Takes every signal that has come.
pub fn take_signals(signals: &SignalFd) -> Vec<Signal> {
    let next = || signals.read_signal().ok().flatten();
    std::iter::from_fn(next)
        .filter_map(|info| Signal::try_from(info.ssi_signo as i32).ok())
        .collect()
}
