//! What a vassal remembers from one start to the next. A restart finds the record in systemd's FD store. The store is emptied
//! when the unit stops or fails, so a later start reads the file in [`DIRECTORY`]: all of it when vassal-retry@.service has
//! begun that start, as it belongs to the same series of attempts; else only which filesystems a killed run has left unsaved.

mod store;

pub use store::{Store, forget, make_directory};

use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// The name in the FD store (`FDNAME=`). It changes with the record's format, as an upgraded vassal-enter finds what the one
/// before has left.
pub const NAME: &str = "vassal-memo-2";
/// Where the records are, one file for each vassal.
pub const DIRECTORY: &str = "/run/vassal";

/// How long a vassal must have served for its next failure to count as a first one. A restart with its app costs some
/// 90 ms of a core (measured), so that one in this time is half of a hundredth.
pub const SETTLED: Duration = Duration::from_secs(20);
/// How many runs that have proved themselves but not settled may be followed by a restart at once, before their ends
/// count as failed attempts: more than anybody kills by hand, and no more than a minute's work of a core.
const AT_ONCE: u32 = 100;
/// The longest pause between two attempts (EMP-12: emperor-max-throttle).
const LONGEST_PAUSE: Duration = Duration::from_secs(180);

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
    Untold,
    /// It has left a cause.
    Told,
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

/// The record itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memo {
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
    /// The service time that restarts at once have cost and that service has not paid back yet: see [`Memo::failed`].
    pub debt: Duration,
    /// Why the last run ended.
    pub cause: String,
    /// The mountpoints of filesystems that may hold what is not saved yet, one a line: still there at a start, they tell
    /// that the run before was killed.
    pub unsaved: String,
}

impl Memo {
    /// A run has failed, `served` after it was ready; `proven` is the time after which that is not the configuration's
    /// fault, and the restart comes at once.
    ///
    /// Each restart at once costs as much service as settles a run, and service pays it back; who owes a hundred of them
    /// waits longer and longer, as after any failed attempt, until a run settles. So a vassal that fails again and again
    /// is restarted at once a hundred times, and from then on no oftener than once in twenty seconds of service.
    pub fn failed(&mut self, cause: &str, served: Duration, proven: Duration) {
        self.cause = cause.to_owned();
        self.end = End::Told;
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
        self.end = End::Told;
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
        self.end == End::Untold && self.begun.is_some()
    }

    /// A start comes, `now` since boot: takes account of how the run before has ended, and says what is to be done.
    pub fn turn(&mut self, now: Duration) -> Turn {
        if self.end == End::Untold {
            self.start_failed("it was killed, or did not serve in time");
        }
        if let Some(begun) = self.begun.take() {
            self.held += Duration::from_millis(millis(now).wrapping_sub(begun).into());
        }
        // The one who asked has waited.
        if self.attempts == 0 || self.next == Next::Asked {
            return Turn::After(Duration::ZERO);
        }
        match self.pause() {
            pause if self.held + pause > HOLD_LIMIT => Turn::Later(self.retry_pause()),
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
        self.end = End::Untold;
        self.next = Next::Restart;
    }

    /// The pause of vassal-retry@.service.
    pub fn retry_pause(&self) -> Duration {
        self.pause().max(SHORTEST_PAUSE)
    }

    /// How long to wait before the attempt that comes after [`Memo::attempts`] failed ones: the first restart is
    /// immediate, then 1 s, doubled each time, up to three minutes; never given up (ARCHITECTURE D11).
    pub fn pause(&self) -> Duration {
        match self.attempts.checked_sub(2) {
            None => Duration::ZERO,
            Some(doublings) => {
                LONGEST_PAUSE.min(Duration::from_secs(1) * 2_u32.saturating_pow(doublings.min(16)))
            }
        }
    }
}

impl End {
    fn from_byte(byte: u8) -> Self {
        match byte {
            1 => End::Untold,
            2 => End::Told,
            3 => End::App,
            _ => End::Ordered,
        }
    }
}

impl Next {
    fn from_byte(byte: u8) -> Self {
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
        let (mut memo, mut now) = (Memo::default(), Duration::from_secs(1000));
        let mut seen = Vec::new();
        while seen.len() < count {
            let (pause, is_later) = match memo.turn(now) {
                Turn::After(pause) => (pause, false),
                Turn::Later(pause) => {
                    memo.next = Next::Asked;
                    assert_eq!(memo.turn(now + pause), Turn::After(Duration::ZERO));
                    (pause, true)
                }
            };
            now += pause;
            memo.begin(if is_later { Duration::ZERO } else { pause }, now);
            assert_eq!(memo.restarts, seen.len() as u32);
            now += time;
            memo.start_failed("no disk");
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
        let (mut memo, minute) = (Memo::default(), Duration::from_secs(60));
        memo.begin(Duration::ZERO, minute);
        memo.served();
        memo.failed("gone", Duration::from_millis(900), Duration::from_secs(1));
        assert_eq!(memo.turn(minute * 60), Turn::After(Duration::ZERO));
        assert_eq!(memo.attempts, 1);
    }

    #[test]
    fn who_serves_between_its_failures_keeps_its_sockets_until_the_pauses_are_long() {
        let (mut memo, mut now) = (Memo::default(), Duration::from_secs(1000));
        let mut pauses = Vec::new();
        let later = loop {
            match memo.turn(now) {
                Turn::Later(pause) => break pause,
                Turn::After(pause) => {
                    pauses.push(pause.as_secs());
                    now += pause;
                    memo.begin(pause, now);
                    memo.served();
                    memo.failed("gone", Duration::from_millis(300), Duration::from_secs(1));
                }
            }
        };
        assert_eq!((pauses, later.as_secs()), (vec![0, 0, 1, 2, 4], 8));
    }

    #[test]
    fn every_restart_counts_but_that_of_an_administrator() {
        let mut memo = Memo::default();
        let start = |memo: &mut Memo| {
            memo.turn(Duration::ZERO);
            memo.begin(Duration::ZERO, Duration::ZERO);
            (memo.restarts, memo.cause.clone())
        };
        assert_eq!(start(&mut memo).0, 0);
        memo.start_failed("no disk");
        assert_eq!(start(&mut memo), (1, "no disk".into()));
        // Killed before it could tell anything.
        let (count, cause) = start(&mut memo);
        assert!(count == 2 && cause.starts_with("it was killed"), "{cause}");
        memo.stopped();
        assert_eq!(
            (memo.turn(SETTLED), memo.held),
            (Turn::After(Duration::ZERO), Duration::ZERO)
        );
        assert_eq!(start(&mut memo).0, 2);
    }

    #[test]
    fn the_first_restart_is_immediate_and_the_pause_ends_at_three_minutes() {
        let pause = |attempts| {
            Memo {
                attempts,
                ..Memo::default()
            }
            .pause()
            .as_secs()
        };
        assert_eq!(
            [pause(0), pause(1), pause(2), pause(3), pause(4)],
            [0, 0, 1, 2, 4]
        );
        assert_eq!([pause(9), pause(10), pause(u32::MAX)], [128, 180, 180]);
    }

    /// Runs that each serve for `served`, their restarts, and the pauses before those, of which the first are all zero.
    fn restarts_at_once(served: Duration, most: usize) -> usize {
        let mut memo = Memo::default();
        (0..most)
            .take_while(|_| {
                memo.attempts += 1;
                memo.failed("dead", served, Duration::from_secs(1));
                memo.attempts == 0
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
        let mut memo = Memo {
            debt: SETTLED * AT_ONCE,
            ..Memo::default()
        };
        let mut pauses = Vec::new();
        for _ in 0..11 {
            pauses.push(memo.pause().as_secs());
            memo.attempts += 1;
            memo.failed("dead", second / 2, second);
        }
        assert_eq!(pauses, [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 180]);
        memo.failed("dead", SETTLED, second);
        assert_eq!((memo.attempts, memo.pause()), (0, Duration::ZERO));
        assert!(memo.debt > SETTLED * (AT_ONCE - 2), "{:?}", memo.debt);
        memo.stopped();
        assert_eq!(memo.debt, Duration::ZERO);
    }
}
