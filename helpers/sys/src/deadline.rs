//! Waiting for descriptors until a fixed time.

use nix::errno::Errno;
use nix::poll::{PollFd, PollTimeout, poll};
use std::time::{Duration, Instant};

/// An upper bound for limits: a file may ask for any number of seconds, but the clock has an end.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// A time until which something is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// A deadline `limit` from now.
    pub fn after(limit: Duration) -> Self {
        Self(Instant::now() + limit.min(CENTURY))
    }

    /// A deadline at `moment`.
    pub fn at(moment: Instant) -> Self {
        Self(moment)
    }

    /// The remaining time; zero when the deadline is over.
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether no time is left.
    pub fn is_over(self) -> bool {
        self.left().is_zero()
    }

    /// Waits until one of `fds` is ready, a signal arrives, or the deadline is over; at most `longest`. Returns whether
    /// one is ready.
    ///
    /// # Errors
    /// As poll(2), except `EINTR`.
    pub fn poll(self, fds: &mut [PollFd<'_>], longest: Duration) -> nix::Result<bool> {
        // poll(2) takes whole milliseconds. Rounded down, the last one would be waited for in a busy loop.
        let left = self.left().min(longest);
        let left = left + Duration::from_nanos(999_999);
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(fds, timeout) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::EINTR) => Ok(false),
            Err(errno) => Err(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::PollFlags;
    use nix::unistd::{pipe, write};
    use std::os::fd::AsFd;

    #[test]
    fn a_wait_ends_with_the_first_of_descriptor_deadline_and_limit() {
        let (reader, writer) = pipe().unwrap();
        let wait = |deadline: Deadline, longest| {
            let begun = Instant::now();
            let mut fds = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
            (deadline.poll(&mut fds, longest), begun.elapsed())
        };
        let (short, long) = (Duration::from_millis(5), Duration::from_secs(60));
        let (found, took) = wait(Deadline::after(short), long);
        assert!(found == Ok(false) && took >= short && took < long, "{took:?}");
        let (found, took) = wait(Deadline::after(Duration::MAX), short);
        assert!(found == Ok(false) && took >= short && took < long, "{took:?}");
        write(&writer, b"x").unwrap();
        assert_eq!(wait(Deadline::after(Duration::ZERO), long).0, Ok(true));
        assert!(wait(Deadline::after(long), long).1 < long);
        let over = Deadline::after(Duration::ZERO);
        assert!(over.is_over() && over < Deadline::after(long));
    }
}
