//! The pause before an attempt that follows failed ones: systemd restarts at once, so that the first restart costs
//! nothing, and a vassal that keeps failing waits here, where it costs nothing either (ARCHITECTURE D11).

use crate::failure::Failure;
use crate::start::Start;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use sd_notify::NotifyState;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use vassal_sys::error::Step;
use vassal_sys::memo::Memo;
use vassal_sys::signals;

/// What systemd is asked for beyond pauses and hooks: what `TimeoutStartSec=` would have given.
pub const START_LIMIT: Duration = Duration::from_secs(90);

/// How the pause ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is over: try.
    Go,
    /// systemd wants the vassal stopped; the next start begins afresh.
    Stopped,
}

/// Waits for this attempt's turn, and counts it.
///
/// # Errors
/// When the signals cannot be read.
pub fn wait_for_turn(start: &Start) -> Result<Turn, Failure> {
    let mut memo = start.memo.read();
    let pause = memo.pause();
    memo.attempts = memo.attempts.saturating_add(1);
    start.memo.write(&memo)?;
    if pause.is_zero() {
        return Ok(Turn::Go);
    }
    let limit = u32::try_from((pause + START_LIMIT).as_micros()).unwrap_or(u32::MAX);
    let status = format!(
        "waiting {} s before attempt {}; last: {}",
        pause.as_secs(),
        memo.attempts,
        memo.cause
    );
    start.notifier.send(&[
        NotifyState::Status(&status),
        NotifyState::ExtendTimeoutUsec(limit),
    ])?;
    let stop = signals::take(&[Signal::SIGTERM])?;
    let end = Instant::now() + pause;
    // systemd is to know of it before its own limit is over; a wish to stop is heard below.
    start.notifier.deliver(pause, Some(stop.as_fd()))?;
    let turn = loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break Turn::Go;
        }
        let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => {}
            Ok(_) => break Turn::Stopped,
            Err(errno) => return Err(errno).step(|| "wait").map_err(Failure::from),
        }
    };
    if turn == Turn::Stopped {
        start.memo.update(Memo::stopped)?;
    }
    signals::reset()?;
    Ok(turn)
}
