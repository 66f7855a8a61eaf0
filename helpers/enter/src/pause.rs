//! Letting time pass before the next attempt, unless systemd wants it otherwise.

use crate::failure::Failure;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use vassal_sys::error::Step;
use vassal_sys::signals;

/// How the pause ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Pause {
    /// It is over.
    Over,
    /// systemd has ended it.
    Stopped,
}

/// Waits for `time`.
///
/// # Errors
/// When the signals cannot be read.
pub fn pause(time: Duration) -> Result<Pause, Failure> {
    let stop = signals::take(&[Signal::SIGTERM])?;
    let end = Instant::now() + time;
    let pause = loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break Pause::Over;
        }
        let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(stop.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => break Pause::Stopped,
            Err(errno) => return Err(errno).step(|| "wait").map_err(Failure::from),
        }
    };
    // A wish to stop that has been heard would end the process now.
    if pause == Pause::Over {
        signals::reset()?;
    }
    Ok(pause)
}
