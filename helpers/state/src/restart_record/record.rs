//! The record, and what follows from it: how long to wait before the next attempt, and from where that is made.

use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// How long a vassal must have served for its next failure to count as a first one. A restart with its app costs some
/// 90 ms of a core (measured), so that one in this time is half of a hundredth.
pub const SETTLED: Duration = Duration::from_secs(20);
/// How many runs that have proved themselves but not settled may be followed by a restart at once, before their ends
/// count as failed attempts: more than anybody kills by hand, and no more than a minute's work of a core.
const AT_ONCE: u32 = 100;

/// What is said of the end of an app while its last words are not known.
pub const SEE_ABOVE: &str = "the reason is in the lines above";

/// How long a series of failing attempts may keep the unit from being either active or failed, in which time units that are
/// ordered after the vassal wait (the whole boot, through vassals.target): long enough for the sockets to outlive a short
/// absence of what the vassal needs, as they are closed when the unit fails.
const HOLD_LIMIT: Duration = Duration::from_secs(5);
/// The shortest pause of a unit that has failed, so that what waited for it goes on before it is tried again.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// How the run before has ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum End {
    /// It was asked to, or there was none: the next start is no restart.
    #[default]
    Ordered,
    /// It has told nobody: it runs, or it was killed.
    Unreported,
    /// It has left a cause.
    Reported,
    /// The same, and the cause is the end of the app, whose last words are in the journal.
    App,
}

/// Who starts the vassal next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Next {
    /// systemd, at once (`Restart=always`).
    #[default]
    Restart,
    /// vassal-retry@.service, after a pause that it has begun.
    Retry,
    /// vassal-retry@.service has just asked systemd to.
    Asked,
}

/// What is to be done at a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Try, after this pause.
    After(Duration),
    /// Fail; vassal-retry@.service tries again after this pause.
    Later(Duration),
}

/// How the pauses between attempts grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pauses {
    /// The pause before the second restart; each next one is twice as long.
    pub first: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Default for Pauses {
    /// Those of EMP-12.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(180),
        }
    }
}

/// The record itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestartRecord {
    /// Attempts since the last one that settled, this one included.
    pub attempts: u32,
    /// Restarts since the vassal was started.
    pub restarts: u32,
    /// When the present attempt began, in milliseconds since boot, while it has not been ready.
    pub begun: Option<u32>,
    /// How long the present series of attempts has kept the unit from being active or failed.
    pub held: Duration,
    /// How the run before has ended.
    pub end: End,
    /// Who starts the vassal next.
    pub next: Next,
    /// The present attempt follows an end that nobody has asked for.
    pub is_restart: bool,
    /// A run has been ready since the vassal was started.
    pub has_served: bool,
    /// The service time that restarts at once have cost and that service has not paid back yet: see [`RestartRecord::failed`].
    pub debt: Duration,
    /// Why the last run ended.
    pub cause: String,
    /// The mountpoints of filesystems that may hold what is not saved yet, one a line: still there at a start, they tell
    /// that the run before was killed.
    pub unsaved: String,
}

impl RestartRecord {
    /// A run has failed, `served` after it was ready; `proven` is the time after which that is not the configuration's
    /// fault, and the restart comes at once.
    ///
    /// Each restart at once costs as much service as settles a run, and service pays it back; who owes a hundred of them
    /// waits longer and longer, as after any failed attempt, until a run settles. So a vassal that fails again and again
    /// is restarted at once a hundred times, and from then on no oftener than once in twenty seconds of service.
    pub fn failed(&mut self, cause: &str, served: Duration, proven: Duration) {
        self.cause = cause.to_owned();
        self.end = End::Reported;
        let debt = self.debt.saturating_sub(served) + SETTLED;
        if served >= proven && debt <= SETTLED * AT_ONCE {
            self.settled();
            self.debt = debt;
        } else {
            self.debt = debt - SETTLED;
        }
    }

    /// A start has failed, or what a run has left says so.
    pub fn start_failed(&mut self, cause: &str) {
        self.cause = cause.to_owned();
        self.end = End::Reported;
    }

    /// The vassal is ready, and whoever waited for that goes on: what it holds up from now on is counted anew.
    pub fn served(&mut self) {
        self.begun = None;
        self.held = Duration::ZERO;
        self.has_served = true;
    }

    /// The next failure is a first one.
    pub fn settled(&mut self) {
        self.attempts = 0;
        self.held = Duration::ZERO;
    }

    /// An administrator has ended the run: nothing of what was before counts, and nothing is lost.
    pub fn stopped(&mut self) {
        self.settled();
        self.debt = Duration::ZERO;
        self.begun = None;
        self.end = End::Ordered;
        self.next = Next::Restart;
        self.unsaved.clear();
    }

    /// The run before was killed or stopped before it was ready, and has told nobody.
    pub fn was_cut_short(&self) -> bool {
        self.end == End::Unreported && self.begun.is_some()
    }

    /// How long ago the last attempt began that has not served, `now` since boot.
    pub fn since_begun(&self, now: Duration) -> Duration {
        self.begun.map_or(Duration::ZERO, |begun| {
            Duration::from_millis(millis(now).wrapping_sub(begun).into())
        })
    }

    /// A start comes, `now` since boot: takes account of how the run before has ended, and says what is to be done.
    pub fn turn(&mut self, now: Duration, pauses: Pauses) -> Turn {
        if self.end == End::Unreported {
            self.start_failed("it was killed, or did not serve in time");
        }
        self.held += self.since_begun(now);
        self.begun = None;
        // The one who asked has waited.
        if self.attempts == 0 || self.next == Next::Asked {
            return Turn::After(Duration::ZERO);
        }
        match self.pause(pauses) {
            pause if self.held + pause > HOLD_LIMIT => Turn::Later(self.retry_pause(pauses)),
            pause => Turn::After(pause),
        }
    }

    /// An attempt begins, `now` since boot, after a `pause`.
    pub fn begin(&mut self, pause: Duration, now: Duration) {
        self.is_restart = self.end != End::Ordered;
        self.restarts = self.restarts.saturating_add(self.is_restart.into());
        self.attempts = self.attempts.saturating_add(1);
        self.held += pause;
        self.begun = Some(millis(now));
        self.end = End::Unreported;
        self.next = Next::Restart;
    }

    /// The pause of vassal-retry@.service.
    pub fn retry_pause(&self, pauses: Pauses) -> Duration {
        self.pause(pauses).max(SHORTEST_PAUSE)
    }

    /// How long to wait before the attempt that comes after [`RestartRecord::attempts`] failed ones: the first restart is
    /// immediate, then 1 s, doubled each time, up to three minutes, unless `pauses` says otherwise; never given up (ARCHITECTURE D11).
    pub fn pause(&self, pauses: Pauses) -> Duration {
        match self.attempts.checked_sub(2) {
            None => Duration::ZERO,
            Some(doublings) => {
                let doubled = pauses
                    .first
                    .saturating_mul(2_u32.saturating_pow(doublings.min(31)));
                doubled.min(pauses.longest)
            }
        }
    }
}

impl End {
    pub(super) fn from_byte(byte: u8) -> Self {
        match byte {
            1 => End::Unreported,
            2 => End::Reported,
            3 => End::App,
            _ => End::Ordered,
        }
    }
}

impl Next {
    pub(super) fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Next::Retry,
            2 => Next::Asked,
            _ => Next::Restart,
        }
    }
}

/// The time since boot, in which the machine may have slept.
pub fn since_boot() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}

/// Milliseconds since boot, never zero; they begin afresh after 49 days.
fn millis(since_boot: Duration) -> u32 {
    (since_boot.as_millis() as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The attempts of a vassal that needs `time` to fail, and what is done before each: the pause, and whether the unit has
    /// failed meanwhile.
    fn attempts(time: Duration, count: usize) -> Vec<(u64, bool)> {
        let (mut record, mut now) = (RestartRecord::default(), Duration::from_secs(1000));
        let mut seen = Vec::new();
        while seen.len() < count {
            let (pause, is_later) = match record.turn(now, Pauses::default()) {
                Turn::After(pause) => (pause, false),
                Turn::Later(pause) => {
                    record.next = Next::Asked;
                    assert_eq!(
                        record.turn(now + pause, Pauses::default()),
                        Turn::After(Duration::ZERO)
                    );
                    (pause, true)
                }
            };
            now += pause;
            record.begin(if is_later { Duration::ZERO } else { pause }, now);
            assert_eq!(record.restarts, seen.len() as u32);
            now += time;
            record.start_failed("no disk");
            seen.push((pause.as_secs(), is_later));
        }
        seen
    }

    #[test]
    fn a_series_of_failures_holds_the_unit_up_for_a_few_seconds_and_is_then_tried_from_outside() {
        let quick = [
            (0, false),
            (0, false),
            (1, false),
            (2, false),
            (4, true),
            (8, true),
            (16, true),
        ];
        assert_eq!(attempts(Duration::from_millis(100), 7), quick);
        // One slow attempt is all that anybody waits for.
        let slow = [(0, false), (1, true), (1, true), (2, true)];
        assert_eq!(attempts(Duration::from_secs(30), 4), slow);
    }

    #[test]
    fn the_time_of_service_holds_nobody_up() {
        let (mut record, minute) = (RestartRecord::default(), Duration::from_secs(60));
        record.begin(Duration::ZERO, minute);
        record.served();
        record.failed("gone", Duration::from_millis(900), Duration::from_secs(1));
        assert_eq!(
            record.turn(minute * 60, Pauses::default()),
            Turn::After(Duration::ZERO)
        );
        assert_eq!(record.attempts, 1);
    }

    #[test]
    fn who_serves_between_its_failures_keeps_its_sockets_until_the_pauses_are_long() {
        let (mut record, mut now) = (RestartRecord::default(), Duration::from_secs(1000));
        let mut pauses = Vec::new();
        let later = loop {
            match record.turn(now, Pauses::default()) {
                Turn::Later(pause) => break pause,
                Turn::After(pause) => {
                    pauses.push(pause.as_secs());
                    now += pause;
                    record.begin(pause, now);
                    record.served();
                    record.failed("gone", Duration::from_millis(300), Duration::from_secs(1));
                }
            }
        };
        assert_eq!((pauses, later.as_secs()), (vec![0, 0, 1, 2, 4], 8));
    }

    #[test]
    fn every_restart_counts_but_that_of_an_administrator() {
        let mut record = RestartRecord::default();
        let start = |record: &mut RestartRecord| {
            record.turn(Duration::ZERO, Pauses::default());
            record.begin(Duration::ZERO, Duration::ZERO);
            (record.restarts, record.cause.clone())
        };
        assert_eq!(start(&mut record).0, 0);
        record.start_failed("no disk");
        assert_eq!(start(&mut record), (1, "no disk".into()));
        // Killed before it could tell anything.
        let (count, cause) = start(&mut record);
        assert!(count == 2 && cause.starts_with("it was killed"), "{cause}");
        record.stopped();
        assert_eq!(
            (record.turn(SETTLED, Pauses::default()), record.held),
            (Turn::After(Duration::ZERO), Duration::ZERO)
        );
        assert_eq!(start(&mut record).0, 2);
    }

    #[test]
    fn the_first_restart_is_immediate_and_the_pause_ends_at_three_minutes() {
        let pause = |attempts| {
            RestartRecord {
                attempts,
                ..RestartRecord::default()
            }
            .pause(Pauses::default())
            .as_secs()
        };
        assert_eq!(
            [pause(0), pause(1), pause(2), pause(3), pause(4)],
            [0, 0, 1, 2, 4]
        );
        assert_eq!([pause(9), pause(10), pause(u32::MAX)], [128, 180, 180]);
        let record = RestartRecord {
            attempts: 4,
            ..RestartRecord::default()
        };
        let even = Duration::from_millis(200);
        let pauses = |longest| Pauses { first: even, longest };
        assert_eq!(record.pause(pauses(even * 3)), even * 3);
        assert_eq!(record.pause(pauses(even * 9)), even * 4);
    }

    /// Runs that each serve for `served`, their restarts, and the pauses before those, of which the first are all zero.
    fn restarts_at_once(served: Duration, most: usize) -> usize {
        let mut record = RestartRecord::default();
        (0..most)
            .take_while(|_| {
                record.attempts += 1;
                record.failed("dead", served, Duration::from_secs(1));
                record.attempts == 0
            })
            .count()
    }

    #[test]
    fn runs_that_prove_themselves_are_restarted_at_once_a_hundred_times_and_then_later_and_later() {
        let cases = [
            (Duration::from_millis(999), 0),
            // Fifty kills, two seconds apart, and fifty more.
            (Duration::from_secs(1), 105),
            (Duration::from_secs(2), 111),
            (Duration::from_secs(19), 1981),
        ];
        for (served, times) in cases {
            assert_eq!(restarts_at_once(served, 5000), times, "{served:?}");
        }
        // Each restart has been paid for.
        assert_eq!(restarts_at_once(SETTLED, 5000), 5000);
    }

    #[test]
    fn one_who_owes_too_much_waits_like_any_other_until_a_run_settles() {
        let second = Duration::from_secs(1);
        let mut record = RestartRecord {
            debt: SETTLED * AT_ONCE,
            ..RestartRecord::default()
        };
        let mut pauses = Vec::new();
        for _ in 0..11 {
            pauses.push(record.pause(Pauses::default()).as_secs());
            record.attempts += 1;
            record.failed("dead", second / 2, second);
        }
        assert_eq!(pauses, [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 180]);
        record.failed("dead", SETTLED, second);
        assert_eq!(
            (record.attempts, record.pause(Pauses::default())),
            (0, Duration::ZERO)
        );
        assert!(record.debt > SETTLED * (AT_ONCE - 2), "{:?}", record.debt);
        record.stopped();
        assert_eq!(record.debt, Duration::ZERO);
    }
}
