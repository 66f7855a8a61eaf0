//! Waiting: for how long, for which descriptors, and whether the time counts.

use super::poller::{ALL, CHANGED, Events, LOG, LOOK_AGAIN, MOUNTS, ONCE, Once, Poller, RELOAD, SIGNALS};
use super::state::{Stage, Vassal};
use crate::app::reload::Reloads;
use crate::app::running::Running;
use crate::app::wind_down::WindDown;
use crate::liveness::check::Check;
use crate::liveness::heartbeat::Heartbeat;
use crate::mountpoints::mountpoint::Mountpoint;
use crate::mountpoints::standstill::{TICK, standstill};
use nix::errno::Errno;
use nix::sys::epoll::{EpollEvent, EpollFlags, EpollTimeout};
use std::time::{Duration, Instant};
use vassal_state::restart_record::SETTLED;
use vassal_sys::SysError;
use vassal_systemd::journal::{Priority, log};
use vassal_systemd::lines;

/// By which fraction of the time between two keep-alives one may be early.
const EARLY: u32 = 3;
impl Vassal {
    /// Waits for the next event or the next due time.
    ///
    /// # Errors
    /// When waiting fails.
    pub(super) fn wait(&mut self) -> Result<Events, SysError> {
        let before = Instant::now();
        let sends = self.expect();
        let left = self
            .next_due()
            .into_iter()
            .chain(sends)
            .min()
            .map(|due| due.saturating_duration_since(before) + Duration::from_millis(1))
            .map(|left| if self.measures() { left.min(TICK) } else { left });
        let timeout = left.map_or(EpollTimeout::NONE, |left| {
            EpollTimeout::try_from(left).unwrap_or(EpollTimeout::MAX)
        });
        let mut heard = [EpollEvent::empty(); ALL];
        let count = match self.poller.epoll.wait(&mut heard, timeout) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(errno) => return Err(SysError::new("wait", errno)),
        };
        self.forgive_standstill(before, left);
        for event in &heard[..count] {
            let once = event.data().checked_sub(ONCE).map(|once| once as usize);
            if let Some(is_watched) = once.and_then(|once| self.poller.watched.get_mut(once)) {
                *is_watched = false;
            }
        }
        self.reporter.flush();
        let has = |number| heard[..count].iter().any(|event| event.data() == number);
        Ok(Events {
            signals: has(SIGNALS),
            mounts: has(MOUNTS),
            log: has(LOG),
            reload: has(RELOAD),
        })
    }

    /// Registers all descriptors: at the beginning, and again when one was closed, because epoll(7) keeps reporting a
    /// closed descriptor as long as a probe has a copy of it.
    ///
    /// # Errors
    /// `EMFILE`, `ENOMEM`; `ENOSPC` at the machine's limit for epoll.
    pub(super) fn listen(&mut self) -> Result<(), SysError> {
        let poller = Poller::new()?;
        let input = EpollFlags::EPOLLIN;
        poller.listen(Some(&self.signals), SIGNALS, input)?;
        let mounts = Some(&self.mountinfo).filter(|_| self.mounts_paused_until.is_none());
        poller.listen(mounts, MOUNTS, CHANGED)?;
        poller.listen(self.log.as_ref(), LOG, input)?;
        poller.listen(self.reloads.as_ref().map(Reloads::requests), RELOAD, input)?;
        self.poller = poller;
        Ok(())
    }

    /// Called when the table of mounts was read: its changes are not reported for a while.
    ///
    /// # Errors
    /// Any error of epoll_ctl(2).
    pub(super) fn pause_mount_events(&mut self) -> Result<(), SysError> {
        if self.mounts_paused_until.is_none() {
            self.poller.ignore(&self.mountinfo)?;
        }
        self.mounts_paused_until = Some(self.throttle.next_after(Instant::now()));
        Ok(())
    }

    /// Lets changes be reported again when it is time; changes in between are reported at once. If the kernel lacks
    /// memory for this, which a tenant may have used up, it is tried again later.
    pub(super) fn resume_mount_events(&mut self) {
        let now = Instant::now();
        if self.mounts_paused_until.is_some_and(|until| until <= now) {
            let heard = self.poller.listen(Some(&self.mountinfo), MOUNTS, CHANGED);
            self.mounts_paused_until = heard.is_err().then_some(now + LOOK_AGAIN);
        }
    }

    /// Calls [`Vassal::listen`] after a descriptor was closed; a failure is only logged.
    pub(super) fn listen_anew(&mut self) {
        if let Err(error) = self.listen() {
            log(Priority::Warning, &format!("{error}, ignoring"));
        }
    }

    /// Registers the conditions under which unsent messages can be sent. Returns the time if one of them is a time.
    fn expect(&mut self) -> Option<Instant> {
        let next = self.overlap.next();
        let Self {
            reporter,
            poller,
            app,
            ..
        } = self;
        let systemd = reporter
            .notifier
            .interest(|interest| poller.expect(Once::Systemd, interest));
        let journald = reporter
            .journal
            .interest(|interest| poller.expect(Once::Journald, interest));
        let lines = lines::interest(|interest| poller.expect(Once::StandardError, interest));
        let mut says = |app: Option<&Running>, notification, message| {
            let notify = app.and_then(|app| app.notify.as_ref());
            let uwsgi = app.and_then(|app| app.uwsgi.as_ref());
            let notification = notify.and_then(|notify| poller.expect(notification, notify.interest()));
            let message = uwsgi.and_then(|uwsgi| poller.expect(message, uwsgi.interest()));
            [notification, message].into_iter().flatten().min()
        };
        let app = says(Some(app), Once::App, Once::Uwsgi);
        let next = says(next, Once::NextApp, Once::NextUwsgi);
        [systemd, journald, lines, app, next].into_iter().flatten().min()
    }

    fn next_due(&self) -> Option<Instant> {
        let keep_alive = self.keeps_alive().then_some(self.keep_alive_due);
        self.next_look().into_iter().chain(keep_alive).min()
    }

    /// Whether a keep-alive is to be sent now.
    pub(super) fn is_keep_alive_due(&self, now: Instant) -> bool {
        let early = self.handoff.keep_alive / EARLY;
        self.keeps_alive() && is_time(now, self.keep_alive_due, early, || self.next_look())
    }

    /// When anything except a keep-alive is due.
    fn next_look(&self) -> Option<Instant> {
        let settling = match self.stage {
            Stage::Serving {
                since,
                settled: false,
            } => Some(since + SETTLED),
            Stage::Starting | Stage::Serving { .. } => None,
        };
        let connecting = self.readying.due(&self.app.app);
        let requests = self.watches_requests().then(|| self.monitor.next());
        let mountpoints = self.mountpoints.iter().map(Mountpoint::next);
        mountpoints
            .chain(requests)
            .chain(settling)
            .chain(connecting)
            .chain(self.freezer.until())
            .chain(self.turnover.as_ref().map(WindDown::next_look))
            .chain(self.overlap.due())
            .chain(self.mounts_paused_until)
            .chain(self.unknown_exits.due())
            .chain(self.app.check.as_ref().and_then(Check::due))
            .chain(self.app.heartbeat.as_ref().and_then(Heartbeat::due))
            .min()
    }

    /// Whether a probe or a sleeping thread is being timed.
    fn measures(&self) -> bool {
        self.monitor.measures() || self.mountpoints.iter().any(|each| each.probe_pid().is_some())
    }

    /// Called after a wait that began at `before` and was to last for `left`: time in which the machine did not run is
    /// not counted.
    fn forgive_standstill(&mut self, before: Instant, left: Option<Duration>) {
        let worked = before - self.awake;
        self.awake = Instant::now();
        let time = standstill(worked, left, self.awake - before);
        if time.is_zero() {
            return;
        }
        let mountpoints = self.mountpoints.iter_mut();
        mountpoints.for_each(|mountpoint| mountpoint.forgive(time));
        self.monitor.forgive(time, self.awake);
        self.app.forgive(time);
        // systemd's own watchdog clock has continued, so a keep-alive is due at once.
        self.keep_alive_due = self.awake;
    }
}

/// Whether something that is due at `due` is to be done at `now`: from that time on, or up to `early` before it if the
/// next look would come after it, because most of the cost is the wakeup.
fn is_time(now: Instant, due: Instant, early: Duration, next_look: impl FnOnce() -> Option<Instant>) -> bool {
    now >= due || now + early >= due && next_look().is_none_or(|next| next > due)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keep_alive_goes_with_the_last_look_before_it_is_due() {
        let (due, early) = (10_000, 3333);
        // now, the next look, whether it is time.
        const CASES: &[(u64, Option<u64>, bool)] = &[
            (5150, Some(7650), false),
            (7650, Some(10_150), true),
            (7500, Some(10_000), false),
            (10_000, Some(12_500), true),
            // Something has happened between two looks.
            (8000, Some(8500), false),
            // Nothing else is ever due.
            (6000, None, false),
            (9000, None, true),
        ];
        let begun = Instant::now();
        let at = |millis: u64| begun + Duration::from_millis(millis);
        for (now, next, expected) in CASES {
            let found = is_time(at(*now), at(due), Duration::from_millis(early), || next.map(at));
            assert_eq!(found, *expected, "{now} {next:?}");
        }
    }
}
