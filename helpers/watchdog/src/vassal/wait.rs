//! Waiting: until when, for what, and whether it was a wait at all.

use super::{Stage, Vassal};
use crate::app::farewell::Farewell;
use crate::app::reload::Reloads;
use crate::app::uwsgi::Uwsgi;
use crate::mountpoints::mountpoint::Mountpoint;
use crate::mountpoints::standstill::{TICK, standstill};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use vassal_state::restart_record::SETTLED;
use vassal_sys::SysError;
use vassal_sys::error::Step;
use vassal_systemd::journal::{Priority, line};
use vassal_systemd::lines;
use vassal_systemd::outbox::Awaited;

/// Which descriptors have something.
#[derive(Debug, Default)]
pub(super) struct Events {
    pub signals: bool,
    pub mounts: bool,
    pub uwsgi: bool,
    pub log: bool,
    pub reload: bool,
}

/// What is listened to only while something is expected of it; the order is that of the numbers of the events.
#[derive(Debug, Clone, Copy)]
enum Once {
    /// Room for what was said.
    Systemd,
    Journald,
    StandardError,
    /// The readiness of an app that tells it.
    Readiness,
}

/// Who is listened to; the numbers are those of the events.
const SIGNALS: u64 = 0;
const MOUNTS: u64 = 1;
const UWSGI: u64 = 2;
const LOG: u64 = 3;
const RELOAD: u64 = 4;
/// The next app's; what it says is looked at in each turn.
const NEXT: u64 = 5;
/// And the [`Once`]s.
const ONCE: u64 = 6;
const ALL: usize = 10;

/// A change of mounts is a POLLPRI (proc_pid_mounts(5)); POLLERR comes with it, and cannot be kept away.
const CHANGED: EpollFlags = EpollFlags::EPOLLPRI;

/// The part of the time between two keep-alives by which one may come early.
const EARLY: u32 = 3;
/// The time between two looks where epoll cannot tell.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What is listened through. Each wakeup by the clock, which most are, touches none of the descriptors, unlike poll(2):
/// a fifth of what a wakeup costs (measured).
#[derive(Debug)]
pub(super) struct Ears {
    epoll: Epoll,
    /// What it tells of, once.
    watched: [bool; 4],
}

impl Ears {
    /// Those that hear nobody yet.
    pub(super) fn new() -> Result<Self, SysError> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).step(|| "make an epoll descriptor")?;
        Ok(Self {
            epoll,
            watched: [false; 4],
        })
    }

    fn ignore(&self, fd: impl AsFd) -> Result<(), SysError> {
        self.epoll.delete(fd).step(|| "stop listening to a descriptor")
    }

    fn listen(&self, fd: Option<impl AsFd>, number: u64, kind: EpollFlags) -> Result<(), SysError> {
        fd.map_or(Ok(()), |fd| self.epoll.add(fd, EpollEvent::new(kind, number)))
            .step(|| "listen to a descriptor")
    }

    /// Is to tell when `once` has what it waits for; when that is, if it is a matter of time.
    fn expect(&mut self, once: Once, awaited: Awaited<'_>) -> Option<Instant> {
        let (fd, kind) = match awaited {
            Awaited::Nothing => return None,
            Awaited::Time(until) => return Some(until),
            Awaited::Turn(fd) => (fd, EpollFlags::EPOLLIN),
            Awaited::Room(fd) => (fd, EpollFlags::EPOLLOUT),
        };
        let is_watched = &mut self.watched[once as usize];
        if !*is_watched {
            // Once: what others hold open after us would be told for ever otherwise.
            let mut event = EpollEvent::new(kind | EpollFlags::EPOLLONESHOT, ONCE + once as u64);
            let renewed = match self.epoll.modify(fd, &mut event) {
                Err(Errno::ENOENT) => self.epoll.add(fd, event),
                renewed => renewed,
            };
            // Where the kernel has no memory for that, it is looked at again later.
            *is_watched = renewed.is_ok();
        }
        (!*is_watched).then(|| Instant::now() + LOOK_AGAIN)
    }
}

impl Vassal {
    /// Waits for what comes next.
    ///
    /// # Errors
    /// A kernel that does not let us wait.
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
        let count = match self.ears.epoll.wait(&mut heard, timeout) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(errno) => return Err(SysError::new("wait", errno)),
        };
        self.forgive_standstill(before, left);
        for event in &heard[..count] {
            let once = event.data().checked_sub(ONCE).map(|once| once as usize);
            if let Some(is_watched) = once.and_then(|once| self.ears.watched.get_mut(once)) {
                *is_watched = false;
            }
        }
        self.reporter.flush();
        let has = |number| heard[..count].iter().any(|event| event.data() == number);
        Ok(Events {
            signals: has(SIGNALS),
            mounts: has(MOUNTS),
            uwsgi: has(UWSGI),
            log: has(LOG),
            reload: has(RELOAD),
        })
    }

    /// Listens to everybody there is: once in the beginning, and anew when somebody is gone. A closed descriptor of which a
    /// probe still has a copy would be heard for ever otherwise (epoll(7)).
    ///
    /// # Errors
    /// `EMFILE`, `ENOMEM`; `ENOSPC` at the machine's limit of what epoll may watch.
    pub(super) fn listen(&mut self) -> Result<(), SysError> {
        let ears = Ears::new()?;
        let input = EpollFlags::EPOLLIN;
        ears.listen(Some(&self.signals), SIGNALS, input)?;
        let mounts = Some(&self.mountinfo).filter(|_| self.deaf_until.is_none());
        ears.listen(mounts, MOUNTS, CHANGED)?;
        ears.listen(self.app.uwsgi.as_ref().and_then(Uwsgi::socket), UWSGI, input)?;
        let next = self.overlap.next().and_then(|next| next.uwsgi.as_ref());
        ears.listen(next.and_then(Uwsgi::socket), NEXT, input)?;
        ears.listen(self.log.as_ref(), LOG, input)?;
        ears.listen(self.reloads.as_ref().map(Reloads::requests), RELOAD, input)?;
        self.ears = ears;
        Ok(())
    }

    /// There was a look at the table of mounts: its changes are not heard for a while.
    ///
    /// # Errors
    /// When the kernel cannot.
    pub(super) fn gather_changes(&mut self) -> Result<(), SysError> {
        if self.deaf_until.is_none() {
            self.ears.ignore(&self.mountinfo)?;
        }
        self.deaf_until = Some(self.gather.next_after(Instant::now()));
        Ok(())
    }

    /// Hears of changes again when it is time; of those that there were meanwhile at once. Where the kernel has no memory for
    /// that, which a tenant may have used up, it is tried again later.
    pub(super) fn hear_changes_in_time(&mut self) {
        let now = Instant::now();
        if self.deaf_until.is_some_and(|until| until <= now) {
            let heard = self.ears.listen(Some(&self.mountinfo), MOUNTS, CHANGED);
            self.deaf_until = heard.is_err().then_some(now + LOOK_AGAIN);
        }
    }

    /// [`Vassal::listen`] where somebody has gone, which is no reason to end.
    pub(super) fn listen_anew(&mut self) {
        if let Err(error) = self.listen() {
            line(Priority::Warning, &format!("{error}, ignoring"));
        }
    }

    /// Has itself told when what could not be sent can be; when to look again, if that is a matter of time.
    fn expect(&mut self) -> Option<Instant> {
        let next = self.overlap.next().and_then(|next| next.notify.as_ref());
        let notify = next.or(self.app.notify.as_ref());
        let Self { reporter, ears, .. } = self;
        let systemd = reporter
            .notifier
            .awaited(|awaited| ears.expect(Once::Systemd, awaited));
        let journald = reporter
            .journal
            .awaited(|awaited| ears.expect(Once::Journald, awaited));
        let lines = lines::awaited(|awaited| ears.expect(Once::StandardError, awaited));
        let readiness = notify.and_then(|notify| ears.expect(Once::Readiness, notify.awaited()));
        [systemd, journald, lines, readiness].into_iter().flatten().min()
    }

    fn next_due(&self) -> Option<Instant> {
        let keep_alive = self.keeps_alive().then_some(self.keep_alive_due);
        self.next_look().into_iter().chain(keep_alive).min()
    }

    /// Whether systemd is to hear now that all is well.
    pub(super) fn is_keep_alive_due(&self, now: Instant) -> bool {
        let early = self.handoff.keep_alive / EARLY;
        self.keeps_alive() && is_time(now, self.keep_alive_due, early, || self.next_look())
    }

    /// When anything but a keep-alive is due.
    fn next_look(&self) -> Option<Instant> {
        let settling = match self.stage {
            Stage::Serving {
                since,
                settled: false,
            } => Some(since + SETTLED),
            Stage::Starting | Stage::Serving { .. } => None,
        };
        let connecting = self.readying.due(&self.app.app);
        let requests = self.watches_requests().then(|| self.unanswered.next());
        let mountpoints = self.mountpoints.iter().map(Mountpoint::next);
        mountpoints
            .chain(requests)
            .chain(settling)
            .chain(connecting)
            .chain(self.freezer.until())
            .chain(self.turnover.as_ref().map(Farewell::next_look))
            .chain(self.overlap.due())
            .chain(self.deaf_until)
            .chain(self.obituaries.due())
            .min()
    }

    /// Whether somebody's time is being measured.
    fn measures(&self) -> bool {
        self.unanswered.measures() || self.mountpoints.iter().any(|each| each.probe_pid().is_some())
    }

    /// The wait that began at `before`, for `left`, is over.
    fn forgive_standstill(&mut self, before: Instant, left: Option<Duration>) {
        let worked = before - self.awake;
        self.awake = Instant::now();
        let time = standstill(worked, left, self.awake - before);
        if time.is_zero() {
            return;
        }
        let mountpoints = self.mountpoints.iter_mut();
        mountpoints.for_each(|mountpoint| mountpoint.forgive(time));
        self.unanswered.forgive(time, self.awake);
        // systemd's clock ran on: it is told before it draws its conclusion.
        self.keep_alive_due = self.awake;
    }
}

/// Whether it is time for what is due at `due`: then, and up to `early` before when the next look would come after that,
/// as most of what it costs is the waking.
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
