//! Children: the app, the probes, and every orphan of the vassal, for which the watchdog is init or subreaper.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fmt;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

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
            Ended::Exited(code) => write!(f, "exited with {code}"),
            Ended::Killed(signal) => write!(f, "was killed by {signal}"),
        }
    }
}

/// Every child that has ended and was not yet reaped; and whether there are any left.
pub fn reap() -> (Vec<(Pid, Ended)>, bool) {
    let mut ended = Vec::new();
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => ended.push((pid, Ended::Exited(code))),
            Ok(WaitStatus::Signaled(pid, signal, _)) => ended.push((pid, Ended::Killed(signal))),
            Ok(WaitStatus::StillAlive) => return (ended, true),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return (ended, false),
        }
    }
}

/// Reaps until `is_over` says so, for at most `limit`; whether it did. `is_over` is asked about every child that ends,
/// and once with none at the beginning and whenever a signal comes.
pub fn reap_until(
    signals: &SignalFd,
    limit: Duration,
    mut is_over: impl FnMut(&[(Pid, Ended)], bool) -> bool,
) -> bool {
    let end = Instant::now() + limit;
    loop {
        let (ended, any_left) = reap();
        if is_over(&ended, any_left) {
            return true;
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, timeout).is_ok_and(|ready| ready > 0) {
            drain(signals);
        }
    }
}

/// Takes every signal that has come.
pub fn drain(signals: &SignalFd) -> Vec<Signal> {
    let next = || signals.read_signal().ok().flatten();
    std::iter::from_fn(next)
        .filter_map(|info| Signal::try_from(info.ssi_signo as i32).ok())
        .collect()
}
