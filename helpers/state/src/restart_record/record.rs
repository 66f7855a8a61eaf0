//! The restart record, and the rules that follow from it: how long to wait before the next attempt, and where that wait
//! takes place.

use crate::codec::{Reader, Writer};
use crate::limit_hits::LimitHits;
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;
use vassal_escape::shortened;

/// How long a vassal has to serve so that its next failure counts as a first one. A restart with its app costs some 90
/// ms of a core (measured), so one restart in this time is half of a hundredth of a core.
pub const SETTLED: Duration = Duration::from_secs(20);
/// How many runs that were [proven](RestartRecord::failed) but did not settle may be restarted at once; later ones
/// count as failed attempts. It is more than are killed by hand, and no more than a minute's work of a core.
const AT_ONCE: u32 = 100;

/// Stands for the reason of an app's end until the app's last words are known.
pub const SEE_ABOVE: &str = "the reason is in the lines above";

/// How long a series of failing attempts may keep the unit in the state "activating", in which units ordered after the
/// vassal wait (through vassals.target the whole boot). It is long enough for the sockets to outlive a short absence of
/// what the vassal needs; they are closed when the unit fails.
const HOLD_LIMIT: Duration = Duration::from_secs(5);
/// The shortest pause after the unit has failed, so that units that waited for it can go on before it is tried again.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// How many bytes of the cause of the last restart are kept.
const CAUSE_LIMIT: usize = 400;
/// How many bytes of the list of filesystems are kept.
const UNSAVED_LIMIT: usize = 400;

/// How the previous run ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum End {
    /// It was told to end, or there was none: the next start is not a restart.
    #[default]
    Ordered,
    /// It has not reported its end: it still runs, or it was killed.
    Unreported,
    /// It has reported a cause.
    Reported,
    /// It has reported the end of the app as the cause; the app's last words are in the journal.
    App,
}

/// What starts the vassal the next time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Next {
    /// systemd, at once (`Restart=always`).
    #[default]
    Restart,
    /// vassal-retry@.service, which is waiting.
    Retry,
    /// vassal-retry@.service, which has just asked systemd to start it.
    Asked,
}

/// What a start has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Make an attempt after this pause.
    After(Duration),
    /// Fail; vassal-retry@.service tries again after this pause.
    Later(Duration),
}

/// The lengths of the pauses between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pauses {
    /// The pause before the second restart; each later one is twice as long.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Default for Pauses {
    /// The pauses of EMP-12.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(180),
        }
    }
}

/// The record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestartRecord {
    /// Attempts since the last one that settled, the present one included.
    pub attempts: u32,
    /// Restarts since the vassal was started.
    pub restarts: u32,
    /// When the present attempt began, in milliseconds since boot, while it has not been ready.
    pub begun: Option<u32>,
    /// How long the present series of attempts has kept the unit from being active or failed.
    pub held: Duration,
    /// How the previous run ended.
    pub end: End,
    /// What starts the vassal the next time.
    pub next: Next,
    /// Whether the present attempt follows an end that nobody asked for.
    pub is_restart: bool,
    /// Whether a run has been ready since the vassal was started.
    pub has_served: bool,
    /// Time of service that immediate restarts have cost and that the vassal has not yet served: see
    /// [`RestartRecord::failed`].
    pub debt: Duration,
    /// Why the last run ended.
    pub cause: String,
    /// The mountpoints of filesystems that may hold unsaved data, one a line. If they are still listed at a start, the
    /// previous run was killed.
    pub unsaved: String,
    /// How often limits were met since the vassal was started.
    pub limits: LimitHits,
}

impl RestartRecord {
    /// Records that a run has failed `served` after it was ready. A run that was ready for at least `proven` has a
    /// right configuration, and the restart is immediate.
    ///
    /// Each immediate restart costs as much time of service as settles a run ([`SETTLED`]), and serving pays that back.
    /// A vassal that owes a hundred times as much waits longer and longer, as after failed attempts, until a run
    /// settles. So a vassal that fails again and again is restarted immediately a hundred times, and from then on at
    /// most once in twenty seconds of service.
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

    /// Records that a start has failed, or that a run has turned out to have failed.
    pub fn start_failed(&mut self, cause: &str) {
        self.cause = cause.to_owned();
        self.end = End::Reported;
    }

    /// Records that the vassal is ready. Units ordered after it go on, so the time for which they were held up begins
    /// anew.
    pub fn served(&mut self) {
        self.begun = None;
        self.held = Duration::ZERO;
        self.has_served = true;
    }

    /// Records that the run has lasted so long that the next failure counts as a first one.
    pub fn settled(&mut self) {
        self.attempts = 0;
        self.held = Duration::ZERO;
    }

    /// Records that an administrator has ended the run: earlier failures no longer count, and nothing is unsaved.
    pub fn stopped(&mut self) {
        self.settled();
        self.debt = Duration::ZERO;
        self.begun = None;
        self.end = End::Ordered;
        self.next = Next::Restart;
        self.unsaved.clear();
    }

    /// Whether the previous run was killed or stopped before it was ready, without reporting a cause.
    pub fn was_cut_short(&self) -> bool {
        self.end == End::Unreported && self.begun.is_some()
    }

    /// How long ago the last attempt began, if it has not served; `now` is the time since boot.
    pub fn since_begun(&self, now: Duration) -> Duration {
        self.begun.map_or(Duration::ZERO, |begun| {
            Duration::from_millis(millis(now).wrapping_sub(begun).into())
        })
    }

    /// Begins a start at `now` (since boot): takes account of how the previous run ended, and returns what the start
    /// has to do.
    pub fn turn(&mut self, now: Duration, pauses: Pauses) -> Turn {
        if self.end == End::Unreported {
            self.start_failed("it was killed, or did not serve in time");
        }
        self.held += self.since_begun(now);
        self.begun = None;
        // vassal-retry@.service has made the pause already.
        if self.attempts == 0 || self.next == Next::Asked {
            return Turn::After(Duration::ZERO);
        }
        match self.pause(pauses) {
            pause if self.held + pause > HOLD_LIMIT => Turn::Later(self.retry_pause(pauses)),
            pause => Turn::After(pause),
        }
    }

    /// Records that an attempt begins at `now` (since boot), after a `pause`.
    pub fn begin(&mut self, pause: Duration, now: Duration) {
        self.is_restart = self.end != End::Ordered;
        self.restarts = self.restarts.saturating_add(self.is_restart.into());
        self.attempts = self.attempts.saturating_add(1);
        self.held += pause;
        self.begun = Some(millis(now));
        self.end = End::Unreported;
        self.next = Next::Restart;
    }

    /// How long vassal-retry@.service waits.
    pub fn retry_pause(&self, pauses: Pauses) -> Duration {
        self.pause(pauses).max(SHORTEST_PAUSE)
    }

    /// The pause before the attempt that follows [`RestartRecord::attempts`] failed ones. The first restart is
    /// immediate; then 1 s, doubled each time, up to three minutes, unless `pauses` says otherwise. Attempts never
    /// cease (ARCHITECTURE D11).
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

/// All values of [`End`]; a value's position is its number in the record.
const ENDS: [End; 4] = [End::Ordered, End::Unreported, End::Reported, End::App];
/// The same for [`Next`].
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

/// The time since boot, including the time for which the machine was suspended.
pub fn since_boot() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}

/// Milliseconds since boot, never 0; they wrap around after 49 days.
fn millis(since_boot: Duration) -> u32 {
    (since_boot.as_millis() as u32).max(1)
}

#[cfg(test)]
mod tests;
