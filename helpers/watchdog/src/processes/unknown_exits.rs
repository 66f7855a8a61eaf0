//! The ends of processes that are neither the app nor the watchdog's own: each one is reported while there are few, and of many how many.

use std::time::{Duration, Instant};
use vassal_systemd::journal::{Priority, log};

/// How many are told one by one in a time of [`PERIOD`].
const MOST: u32 = 10;
/// The time for which a flood is summed up.
const PERIOD: Duration = Duration::from_secs(10);

/// What was told lately.
#[derive(Debug, Default)]
pub struct UnknownExits {
    /// When the current period is over.
    until: Option<Instant>,
    told: u32,
    unreported: u32,
    /// The last of those that were not told.
    last: String,
}

impl UnknownExits {
    /// Tells of one, now or in a sum.
    pub fn report(&mut self, what: String, now: Instant) {
        self.summarize(now);
        let until = *self.until.get_or_insert(now + PERIOD);
        debug_assert!(until > now);
        if self.told < MOST {
            self.told += 1;
            log(Priority::Warning, &what);
        } else {
            self.unreported = self.unreported.saturating_add(1);
            self.last = what;
        }
    }

    /// When there is a sum to be told.
    pub fn due(&self) -> Option<Instant> {
        self.until.filter(|_| self.unreported > 0)
    }

    /// Tells the sum of a period that is over.
    pub fn summarize(&mut self, now: Instant) {
        if self.until.is_some_and(|until| until <= now) {
            self.finish();
        }
    }

    /// Tells the sum of what was not told yet.
    pub fn finish(&mut self) {
        if let Some(sum) = self.sum() {
            log(Priority::Warning, &sum);
        }
        *self = Self::default();
    }

    fn sum(&self) -> Option<String> {
        let Self { unreported, last, .. } = self;
        (*unreported > 0)
            .then(|| format!("{unreported} more processes have ended like that; the last: {last}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_told_one_by_one_and_a_flood_in_a_sum() {
        let mut unknown_exits = UnknownExits::default();
        let begun = Instant::now();
        for number in 0..32_763 {
            unknown_exits.report(format!("sh (process {number}) was killed by SIGKILL"), begun);
        }
        assert_eq!((unknown_exits.told, unknown_exits.unreported), (10, 32_753));
        assert_eq!(unknown_exits.due(), Some(begun + PERIOD));
        let sum =
            "32753 more processes have ended like that; the last: sh (process 32762) was killed by SIGKILL";
        assert_eq!(unknown_exits.sum().as_deref(), Some(sum));
        unknown_exits.summarize(begun + PERIOD);
        assert_eq!(unknown_exits.due(), None);
        unknown_exits.report("x".into(), begun + PERIOD);
        assert_eq!((unknown_exits.told, unknown_exits.unreported), (1, 0));
    }
}
