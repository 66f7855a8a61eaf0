//! Waiting: until when, for what, and whether it was a wait at all.

use super::{Stage, Vassal};
use crate::emperor_protocol::Uwsgi;
use crate::mountpoint::Mountpoint;
use crate::reload::Reloads;
use crate::standstill::{TICK, standstill};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;
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
        let uwsgi = self.uwsgi.as_ref().and_then(Uwsgi::socket);
        let requests = self.reloads.as_ref().map(Reloads::request);
        let slots = [uwsgi, self.payload_notify.as_ref(), self.log.as_ref(), requests]
            .map(|fd| fd.map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)));
        let mut polled = vec![
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            // A change of mounts is a POLLPRI (proc_pid_mounts(5)); POLLERR comes with it.
            PollFd::new(self.mountinfo.as_fd(), PollFlags::POLLPRI),
        ];
        let is_there = slots.each_ref().map(Option::is_some);
        polled.extend(slots.into_iter().flatten());
        match poll(&mut polled, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(SysError::new("wait", errno)),
        }
        let mut happened = polled.iter().map(|fd| fd.any().unwrap_or(false));
        let mut next = || happened.next().unwrap_or(false);
        let (signals, mounts) = (next(), next());
        let [uwsgi, notify, log, reload] = is_there.map(|is_there| is_there && next());
        self.forgive_standstill(before, left);
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
