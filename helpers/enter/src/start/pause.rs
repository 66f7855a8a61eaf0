//! Letting time pass before the next attempt, unless systemd wants it otherwise, or what the last one has ended for is mended.

use crate::failure::Failure;
use crate::start::returned;
use crate::start::returned::{Heard, Returned};
use nix::sys::signal::Signal;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use vassal_sys::signals;
use vassal_systemd::notify::Notifier;

/// How the pause ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Pause {
    /// It is over, or a mount of the host's is back for which the last attempt has ended.
    Over,
    /// systemd has ended it.
    Stopped,
}

/// Waits for `time` after an attempt that has ended with `cause`; pending notifications to systemd are delivered meanwhile.
///
/// # Errors
/// When the signals cannot be read.
pub fn pause(time: Duration, cause: &str, notifier: Option<&Notifier>) -> Result<Pause, Failure> {
    let stop = signals::take(&[Signal::SIGTERM])?;
    let mut returned = Returned::of(cause)?;
    let end = Instant::now() + time;
    if let Some(notifier) = notifier {
        // systemd is to know of it before its own limit is over; a wish to stop is heard below.
        notifier.deliver(time, Some(stop.as_fd()))?;
    }
    let pause = loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break Pause::Over;
        }
        match returned::wait(returned.as_mut(), stop.as_fd(), left)? {
            Heard::Nothing => {}
            Heard::Stop => break Pause::Stopped,
            Heard::Back => break Pause::Over,
        }
    };
    // A wish to stop that has been heard would end the process now.
    if pause == Pause::Over {
        signals::reset()?;
    }
    Ok(pause)
}
