//! Reports the ends of processes that are neither the app nor the watchdog's own: one by one while there are few, as a
//! sum when there are many.

use std::time::{Duration, Instant};
use vassal_systemd::journal::{Priority, log};

/// How many are reported one by one within [`PERIOD`].
const MOST: u32 = 10;
/// The time over which others are summed up.
const PERIOD: Duration = Duration::from_secs(10);

/// What has been reported in the present period.
#[derive(Debug, Default)]
pub struct UnknownExits {
    /// When the present period ends.
    until: Option<Instant>,
    told: u32,
    unreported: u32,
    /// The last one that was not reported.
    last: String,
}

impl UnknownExits {
    /// Reports one, now or as a part of the sum.
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

    /// When a sum has to be reported.
    pub fn due(&self) -> Option<Instant> {
        self.until.filter(|_| self.unreported > 0)
    }

    /// Reports the sum of a period that is over.
    pub fn summarize(&mut self, now: Instant) {
        if self.until.is_some_and(|until| until <= now) {
            self.finish();
        }
    }

    /// Reports what has not been reported yet.
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
