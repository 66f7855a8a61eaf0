//! Probes that were kept from asking. A probe has the ids of the owner of the mount, as the filesystem answers no other, and
//! so every process of that user can stop it, kill it, starve it, or put something else at the path while it looks
//! (`vassal_sys::statfs` says what was measured). Each such probe says nothing of the filesystem; that there is no other for a
//! whole deadline means that nothing is known any more, and is a verdict.

use std::fmt;
use std::time::{Duration, Instant};

/// From one probe to the next, in the long run; so many may be sent at once before that: the ends of daemons come
/// together, and are to be seen at once.
const PACE: Duration = Duration::from_millis(250);
const BURST: u32 = 8;
/// The time between two lines about the same mountpoint.
const TELL_AGAIN: Duration = Duration::from_secs(60);
/// How many deadlines a probe may be ready to run and not run. A machine without time to spare is no attack, so this is more
/// than one; a process that others of its user have made the last to run is found all the same.
pub const STARVED: u32 = 4;
/// How many deadlines there may be no process to ask with, while one of the vassal's waits for the filesystem all the time. A
/// limit of processes that is reached is no attack either, and what waits may wait for a lock; so this is more yet.
pub const UNASKED: u32 = 8;

/// What kept a probe from asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbance {
    /// A signal ended it.
    Killed,
    /// It was stopped, and did not go on.
    Stopped,
    /// It did not get the processor.
    Starved,
    /// There could be no further process.
    Unsent,
    /// Its path led to another mount, while nothing has become of the one that is watched.
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

/// The disturbed probes of one mountpoint.
#[derive(Debug, Default)]
pub struct Disturbed {
    /// When the first of them was sent, after which none has had an answer.
    since: Option<Instant>,
    /// How many there were since then.
    count: u32,
    /// Not yet told of in the journal.
    unreported: u32,
    told: Option<Instant>,
}

impl Disturbed {
    /// Takes note of a probe that was sent at `sent`.
    pub fn note(&mut self, sent: Instant) {
        self.since.get_or_insert(sent);
        self.count += 1;
        self.unreported += 1;
    }

    /// A probe has had an answer.
    pub fn forget(&mut self) {
        self.since = None;
        self.count = 0;
    }

    /// How many there were, if for the whole of `deadline` there was nothing else.
    pub fn over(&self, now: Instant, deadline: Duration) -> Option<u32> {
        let is_over = |since| now.saturating_duration_since(since) >= deadline;
        self.since.is_some_and(is_over).then_some(self.count)
    }

    /// Gives back time in which nothing ran.
    pub fn forgive(&mut self, stall: Duration) {
        self.since.iter_mut().for_each(|since| *since += stall);
    }

    /// How many are to be told of now: at once, and then together with those of a minute.
    pub fn take_unreported(&mut self, now: Instant) -> Option<u32> {
        let was_lately = |told: Instant| now.saturating_duration_since(told) < TELL_AGAIN;
        if self.unreported == 0 || self.told.is_some_and(was_lately) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.unreported))
    }
}

/// How many probes there may be: whatever a tenant's processes do, how often they end and how often they end a probe, this is
/// the most that it has the watchdog do.
#[derive(Debug)]
pub struct Pace {
    step: Duration,
    /// When there would have been room for all that were sent, one at a time.
    filled: Instant,
}

impl Pace {
    /// That of a mountpoint which is asked every `interval` if nothing happens.
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

    /// A probe is sent.
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
