//! Waiting: until when, for what, and whether it was a wait at all.

use super::{Stage, Vassal};
use crate::emperor_protocol::Uwsgi;
use crate::mountpoint::Mountpoint;
use crate::reload::Reloads;
use crate::standstill::{TICK, standstill};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use vassal_sys::SysError;
use vassal_sys::handoff::Readiness;
use vassal_sys::memo::SETTLED;

/// Which descriptors have something.
#[derive(Debug, Default)]
pub(super) struct Events {
    pub signals: bool,
    pub mounts: bool,
    pub uwsgi: bool,
    pub notify: bool,
    pub log: bool,
    pub reload: bool,
}

/// Waits for input; of one that is not there for nothing, with another in its place.
fn input_of<'a>(fd: Option<&'a OwnedFd>, place: BorrowedFd<'a>) -> PollFd<'a> {
    match fd {
        Some(fd) => PollFd::new(fd.as_fd(), PollFlags::POLLIN),
        None => PollFd::new(place, PollFlags::empty()),
    }
}

impl Vassal {
    /// Waits for what comes next.
    ///
    /// # Errors
    /// A kernel that does not let us wait.
    pub(super) fn wait(&mut self) -> Result<Events, SysError> {
        let before = Instant::now();
        let left = self
            .next_due()
            .map(|due| due.saturating_duration_since(before) + Duration::from_millis(1))
            .map(|left| if self.measures() { left.min(TICK) } else { left });
        let timeout = left.map_or(PollTimeout::NONE, |left| {
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        });
        let signals = self.signals.as_fd();
        let input = |fd| input_of(fd, signals);
        // Not in the allocator's memory, which is cold whenever a watchdog wakes up.
        let mut polled = [
            PollFd::new(signals, PollFlags::POLLIN),
            // A change of mounts is a POLLPRI (proc_pid_mounts(5)); POLLERR comes with it.
            PollFd::new(self.mountinfo.as_fd(), PollFlags::POLLPRI),
            input(self.uwsgi.as_ref().and_then(Uwsgi::socket)),
            input(self.payload_notify.as_ref()),
            input(self.log.as_ref()),
            input(self.reloads.as_ref().map(Reloads::request)),
        ];
        match poll(&mut polled, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(SysError::new("wait", errno)),
        }
        let happened = polled.each_ref().map(|fd| fd.any().unwrap_or(false));
        self.forgive_standstill(before, left);
        let [signals, mounts, uwsgi, notify, log, reload] = happened;
        Ok(Events {
            signals,
            mounts,
            uwsgi,
            notify,
            log,
            reload,
        })
    }

    fn next_due(&self) -> Option<Instant> {
        let settling = match self.stage {
            Stage::Serving {
                since,
                settled: false,
            } => Some(since + SETTLED),
            Stage::Starting | Stage::Serving { .. } => None,
        };
        let connecting = match (&self.connecting, &self.handoff.readiness) {
            (Err(due), Readiness::Connect(_)) if !self.accepting => Some(*due),
            _ => None,
        };
        let keep_alive = self.keeps_alive().then_some(self.keep_alive_due);
        let requests = self.watches_requests().then(|| self.unanswered.next());
        let mountpoints = self.mountpoints.iter().map(Mountpoint::next);
        mountpoints
            .chain(requests)
            .chain(settling)
            .chain(connecting)
            .chain(keep_alive)
            .chain(self.freezer.until())
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
