//! Probes that were prevented from asking. A probe has the ids of the mount's owner, because the filesystem answers
//! nobody else. So every process of that user can stop it, kill it, starve it, or change what is at the path while it
//! is resolved (measured, see `vassal_sys::statfs`). Such a probe says nothing about the filesystem. If there is no
//! other probe for a whole deadline, nothing is known about the filesystem any more, and that is a verdict.

use std::fmt;
use std::time::{Duration, Instant};

/// The long-term interval between probes; so many may be sent at once before it applies. The ends of several daemons
/// come together, and each has to be noticed at once.
const PACE: Duration = Duration::from_millis(250);
const BURST: u32 = 8;
/// The time between two messages about the same mountpoint.
const TELL_AGAIN: Duration = Duration::from_secs(60);
/// For how many deadlines a probe may be runnable without running. A busy machine is no attack, so it is more than one
/// deadline; but a probe that is starved by other processes of its user is detected eventually.
pub const STARVED: u32 = 4;
/// For how many deadlines no probe can be sent at all, while a process of the vassal keeps waiting for the filesystem.
/// Reaching a limit of processes is no attack either, and the process may wait for a lock, so the number is still
/// higher.
pub const UNASKED: u32 = 8;

/// What prevented a probe from asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbance {
    /// A signal has killed it.
    Killed,
    /// It was stopped and not continued.
    Stopped,
    /// It did not get the processor.
    Starved,
    /// No process could be forked.
    Unsent,
    /// Its path led to another mount, although the watched mount is unchanged.
    LedElsewhere,
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Disturbance::Killed => "was killed by a signal",
            Disturbance::Stopped => "was stopped by a signal",
            Disturbance::Starved => "did not get the processor",
            Disturbance::Unsent => "could not be sent: TasksMax=, or no memory",
            Disturbance::LedElsewhere => "was led to another mount by its path",
        })
    }
}

/// The disturbed probes of a mountpoint.
#[derive(Debug, Default)]
pub struct Disturbed {
    /// When the first of them was sent; no later probe has been answered.
    since: Option<Instant>,
    /// How many there have been since then.
    count: u32,
    /// How many have not been reported in the journal yet.
    unreported: u32,
    told: Option<Instant>,
}

impl Disturbed {
    /// Records a disturbed probe that was sent at `sent`.
    pub fn note(&mut self, sent: Instant) {
        self.since.get_or_insert(sent);
        self.count += 1;
        self.unreported += 1;
    }

    /// Records that a probe was answered.
    pub fn forget(&mut self) {
        self.since = None;
        self.count = 0;
    }

    /// The number of disturbed probes, if there were no others for `deadline`.
    pub fn over(&self, now: Instant, deadline: Duration) -> Option<u32> {
        let is_over = |since| now.saturating_duration_since(since) >= deadline;
        self.since.is_some_and(is_over).then_some(self.count)
    }

    /// Does not count the time `stall`, in which the machine did not run.
    pub fn forgive(&mut self, stall: Duration) {
        self.since.iter_mut().for_each(|since| *since += stall);
    }

    /// How many have to be reported now: the first at once, later ones together once a minute.
    pub fn take_unreported(&mut self, now: Instant) -> Option<u32> {
        let was_lately = |told: Instant| now.saturating_duration_since(told) < TELL_AGAIN;
        if self.unreported == 0 || self.told.is_some_and(was_lately) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.unreported))
    }
}

/// Limits how many probes are sent. It bounds the work that a tenant's processes can cause, however often they end, and
/// however often they kill probes.
#[derive(Debug)]
pub struct Pace {
    step: Duration,
    /// When all probes sent so far would be paid for, at one probe per [`PACE`].
    filled: Instant,
}

impl Pace {
    /// The limit for a mountpoint that is asked every `interval` if nothing happens.
    pub fn new(interval: Duration) -> Self {
        Self {
            step: PACE.min(interval / 2),
            filled: Instant::now(),
        }
    }

    /// When the next probe may be sent.
    pub fn next(&self) -> Instant {
        let burst = self.step * (BURST - 1);
        self.filled.checked_sub(burst).unwrap_or(self.filled)
    }

    /// Records that a probe is sent.
    pub fn take(&mut self, now: Instant) {
        self.filled = self.filled.max(now) + self.step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(3);

    #[test]
    fn a_deadline_without_any_other_probe_is_over() {
        let sent = Instant::now();
        let mut disturbed = Disturbed::default();
        assert_eq!(disturbed.over(sent + DEADLINE, DEADLINE), None);
        disturbed.note(sent);
        disturbed.note(sent + DEADLINE / 2);
        assert_eq!(disturbed.over(sent + DEADLINE / 2, DEADLINE), None);
        assert_eq!(disturbed.over(sent + DEADLINE, DEADLINE), Some(2));
        disturbed.forgive(DEADLINE);
        assert_eq!(disturbed.over(sent + DEADLINE, DEADLINE), None);
        disturbed.forget();
        assert_eq!(disturbed.over(sent + DEADLINE * 9, DEADLINE), None);
    }

    #[test]
    fn many_are_told_in_few_lines() {
        let now = Instant::now();
        let mut disturbed = Disturbed::default();
        assert_eq!(disturbed.take_unreported(now), None);
        disturbed.note(now);
        assert_eq!(disturbed.take_unreported(now), Some(1));
        (0..5).for_each(|_| disturbed.note(now));
        assert_eq!(disturbed.take_unreported(now + TELL_AGAIN / 2), None);
        disturbed.forget();
        assert_eq!(disturbed.take_unreported(now + TELL_AGAIN), Some(5));
    }

    #[test]
    fn however_often_one_is_wanted_few_are_sent() {
        let begun = Instant::now();
        let mut pace = Pace::new(Duration::from_secs(120));
        let mut sent = 0;
        for milli in 0..10_000 {
            let now = begun + Duration::from_millis(milli);
            if pace.next() <= now {
                pace.take(now);
                sent += 1;
            }
        }
        assert!((40..=50).contains(&sent), "{sent}");
    }

    #[test]
    fn an_interval_of_the_file_is_kept() {
        let interval = Duration::from_millis(100);
        let mut pace = Pace::new(interval);
        let mut now = Instant::now();
        for _ in 0..100 {
            assert!(pace.next() <= now);
            pace.take(now);
            now += interval;
        }
    }
}
