//! The pause before the next attempt, which ends early at systemd's request, or when the reason of the last failure is
//! gone.

use crate::failure::Failure;
use crate::start::returned;
use crate::start::returned::{Heard, Returned};
use nix::sys::signal::Signal;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use vassal_sys::signals;
use vassal_systemd::notify::Notifier;

/// Why the pause has ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Pause {
    /// The time is over, or a mount of the host's is back whose loss has ended the last attempt.
    Over,
    /// systemd has asked to stop the vassal.
    Stopped,
}

/// Pauses for `time` after an attempt that has ended with `cause`. Pending notifications are sent to systemd meanwhile.
///
/// # Errors
/// When the signals cannot be read.
pub fn pause(time: Duration, cause: &str, notifier: Option<&Notifier>) -> Result<Pause, Failure> {
    let stop = signals::take(&[Signal::SIGTERM])?;
    let mut returned = Returned::of(cause)?;
    let end = Instant::now() + time;
    if let Some(notifier) = notifier {
        // systemd must know about the pause before its own limit is over. A request to stop interrupts this and is
        // handled below.
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
    // Unblocking the signal would end the process if a request to stop is pending.
    if pause == Pause::Over {
        signals::reset()?;
    }
    Ok(pause)
}
