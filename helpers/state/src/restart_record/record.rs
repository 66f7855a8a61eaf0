//! The record, and what follows from it: how long to wait before the next attempt, and from where that is made.

use crate::codec::{Reader, Writer};
use crate::limit_hits::LimitHits;
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;
use vassal_escape::shortened;

/// How long a vassal must have served for its next failure to count as a first one. A restart with its app costs some
/// 90 ms of a core (measured), so that one in this time is half of a hundredth.
pub const SETTLED: Duration = Duration::from_secs(20);
/// How many runs that have proved themselves but not settled may be followed by a restart at once, before their ends
/// count as failed attempts: more than are killed by hand, and no more than a minute's work of a core.
const AT_ONCE: u32 = 100;

/// What is said of the end of an app while its last words are not known.
pub const SEE_ABOVE: &str = "the reason is in the lines above";

/// How long a series of failing attempts may keep the unit from being either active or failed, in which time units that are
/// ordered after the vassal wait (the whole boot, through vassals.target): long enough for the sockets to outlive a short
/// absence of what the vassal needs, as they are closed when the unit fails.
const HOLD_LIMIT: Duration = Duration::from_secs(5);
/// The shortest pause of a unit that has failed, so that what waited for it goes on before it is tried again.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// How much of the reason of the last restart is kept, in bytes.
const CAUSE_LIMIT: usize = 400;
/// How much of the list of filesystems is kept, in bytes.
const UNSAVED_LIMIT: usize = 400;

/// How the run before has ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum End {
    /// It was asked to, or there was none: the next start is no restart.
    #[default]
    Ordered,
    /// It has reported none: it runs, or it was killed.
    Unreported,
    /// It has left a cause.
    Reported,
    /// The same, and the cause is the end of the app, whose last words are in the journal.
    App,
}

/// What starts the vassal next.
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
    /// What starts the vassal next.
    pub next: Next,
    /// The present attempt follows an end that was not asked for.
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
    /// How often limits were met since the vassal was started.
    pub limits: LimitHits,
}

impl RestartRecord {
    /// A run has failed, `served` after it was ready; `proven` is the time after which that is not the configuration's
    /// fault, and the restart comes at once.
    ///
    /// Each restart at once costs as much service as settles a run, and service pays it back; a vassal that owes a hundred of them
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

    /// The vassal is ready, and units that are ordered after it go on: the time for which it holds them up is counted anew.
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

    /// The run before was killed or stopped before it was ready, and has left no cause.
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
        // vassal-retry@.service has made the pause.
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

/// All ends and all starters; their places are their numbers in a record.
const ENDS: [End; 4] = [End::Ordered, End::Unreported, End::Reported, End::App];
/// See [`ENDS`].
const NEXTS: [Next; 3] = [Next::Restart, Next::Retry, Next::Asked];

impl RestartRecord {
    pub(super) fn write(&self, writer: &mut Writer) {
        let Self {
            attempts,
            restarts,
            begun,
            held,
            end,
            next,
            is_restart,
            has_served,
            debt,
            cause,
            unsaved,
            limits,
        } = self;
        writer.number(*attempts as i32).number(*restarts as i32);
        writer.milliseconds(*debt);
        writer.number(begun.unwrap_or(0) as i32).milliseconds(*held);
        writer.number(*end as i32).number(*next as i32);
        writer.flag(*is_restart).flag(*has_served);
        writer.bytes(shortened(cause, CAUSE_LIMIT).as_bytes());
        writer.bytes(shortened(unsaved, UNSAVED_LIMIT).as_bytes());
        limits.write(writer);
    }

    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let place = |number: i32| usize::try_from(number).ok();
        Some(Self {
            attempts: reader.number()? as u32,
            restarts: reader.number()? as u32,
            debt: reader.milliseconds()?,
            begun: Some(reader.number()? as u32).filter(|begun| *begun != 0),
            held: reader.milliseconds()?,
            end: *ENDS.get(place(reader.number()?)?)?,
            next: *NEXTS.get(place(reader.number()?)?)?,
            is_restart: reader.flag()?,
            has_served: reader.flag()?,
            cause: reader.text()?,
            unsaved: reader.text()?,
            // An earlier version's record ends before.
            limits: LimitHits::read(reader).unwrap_or_default(),
        })
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
mod tests;
