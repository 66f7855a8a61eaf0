//! How a vassal's life ends: a mountpoint is lost, the app has ended, systemd stops it.

use super::{Stage, Vassal};
use crate::judge::{Verdict, judge_mounts};
use crate::reaper::{Ended, drain, reap};
use crate::reload::Reloads;
use crate::stop::Ending;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::cell::RefCell;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use vassal_sys::error::Step;
use vassal_sys::handoff::Readiness;
use vassal_sys::journal::{Priority, line};
use vassal_sys::mountinfo::Mount;
use vassal_sys::notify::DELIVERY_LIMIT;
use vassal_sys::text::printable;
use vassal_sys::{SysError, exit, fusectl, mountinfo};

/// How long systemd's answer to `WATCHDOG=trigger`, SIGKILL, may take after it has read that, before the watchdog ends by itself.
const TRIGGER_LIMIT: Duration = Duration::from_secs(5);
/// Between two looks whether it has: nothing tells of that.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

impl Vassal {
    /// A mountpoint is lost: everybody is told, whoever waits for its daemon is released, and systemd kills the unit.
    pub(super) fn lost(&mut self, index: usize, verdict: Verdict) -> Result<u8, SysError> {
        let ready_for = self.ready_for();
        // Before it is released, and gives a wrong answer.
        self.freeze();
        if matches!(verdict, Verdict::Hung(_)) {
            self.release(index)?;
        }
        // Held until systemd's SIGKILL: see `connections`.
        let _connections = self.ending().cut_app_off();
        let cause = self
            .reporter
            .verdict(&self.mountpoints[index], verdict, ready_for);
        let lost = &self.mountpoints[index].watched.mount;
        if verdict == Verdict::Gone && lost.may_hold_unsaved() {
            self.reporter.status_is(&cause);
            self.ending().wait_for_unmounted();
        }
        let read = || mountinfo::read(&self.mountinfo).step(|| "read mountinfo");
        let mut left = read()?;
        let others = self.ending().others(lost, &left);
        if !others.is_empty() {
            self.reporter.status_is(&cause);
            self.ending().rescue(others);
            left = read()?;
        }
        // The verdict has told of the one that is lost.
        self.note_unsaved(left.iter().filter(|mount| mount.device() != lost.device()));
        self.reporter.trigger(&cause);
        self.wait_for_kill()?;
        Ok(exit::FAILED)
    }

    /// Waits for systemd's SIGKILL: until it has read the message, and then for as long as it may take to act on it.
    fn wait_for_kill(&self) -> Result<(), SysError> {
        let begun = Instant::now();
        let mut read_at = None;
        loop {
            self.reporter.flush();
            if read_at.is_none() && self.reporter.notifier.is_read() {
                read_at = Some(Instant::now());
            }
            let end = read_at.map_or(begun + DELIVERY_LIMIT, |read_at| read_at + TRIGGER_LIMIT);
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let timeout = PollTimeout::try_from(left.min(LOOK_AGAIN)).unwrap_or(PollTimeout::ZERO);
            match poll(
                &mut [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)],
                timeout,
            ) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(SysError::new("wait for the end", errno)),
            }
            drain(&self.signals);
            reap(&self.proc);
        }
    }

    /// Aborts the FUSE connection of a hung mountpoint, so that every process that waits for it can be killed. The
    /// directory of connections is the whole machine's: only if mountinfo, read now, still shows this very mount is
    /// its number ours.
    fn release(&self, index: usize) -> Result<(), SysError> {
        let mount = &self.mountpoints[index].watched.mount;
        let now = mountinfo::read(&self.mountinfo).step(|| "read mountinfo")?;
        let is_ours = mount.is_fuse() && judge_mounts(mount, &now).is_none();
        if let (true, Some(fusectl)) = (is_ours, &self.fusectl) {
            if let Err(error) = fusectl::abort(fusectl, mount.minor) {
                line(Priority::Warning, &error.to_string());
            }
        }
        Ok(())
    }

    pub(super) fn ready_for(&self) -> Option<Duration> {
        match self.stage {
            Stage::Serving { since, .. } => Some(since.elapsed()),
            Stage::Starting => None,
        }
    }

    pub(super) fn app_ended(&mut self, how: Ended) -> u8 {
        let command = &self.handoff.command;
        let message = match (self.stage, how, &self.handoff.readiness) {
            // The code with which uWSGI ends when need-app is set and there is none.
            (Stage::Starting, Ended::Exited(22), Readiness::Emperor) => {
                let reason = match self.handoff.app_hint.as_str() {
                    "" => "the reason is in the lines above",
                    hint => hint,
                };
                format!("{command} exited with 22: the app did not load ({reason})")
            }
            (Stage::Starting, how, _) => {
                format!("{command} {how} before it served (the reason is in the lines above)")
            }
            (Stage::Serving { .. }, how, _) => format!("{command} {how}"),
        };
        self.reporter.app_ended(&message, self.ready_for());
        self.ending().finish();
        // Whatever was not saved in order has been told.
        self.reporter.unsaved("");
        exit::FAILED
    }

    pub(super) fn stop(&mut self) -> u8 {
        self.thaw();
        let ending = self.ending();
        self.reporter.stopping(&self.handoff.command, ending.longest());
        ending.stop_app(self.uwsgi.as_ref());
        ending.finish();
        self.reporter.stopped();
        0
    }

    /// The app asks to be stopped, which is an end by the app, and no administrator's: it is counted and started again like any
    /// other, after a pause where there have been many.
    pub(super) fn app_wants_stop(&mut self) -> u8 {
        self.thaw();
        let ready_for = self.ready_for();
        let command = &self.handoff.command;
        let ending = self.ending();
        self.reporter.stopping(command, ending.longest());
        self.reporter
            .app_ended(&format!("{command} has asked to be stopped"), ready_for);
        ending.stop_app(self.uwsgi.as_ref());
        ending.finish();
        self.reporter.unsaved("");
        exit::FAILED
    }

    /// Takes note of which of `mounts` would lose something if everything were killed now.
    pub(super) fn note_unsaved<'a>(&self, mounts: impl Iterator<Item = &'a Mount>) {
        if !self.handoff.owns_mounts {
            return;
        }
        let is_ours = |mount: &&Mount| !self.handoff.foreign.contains(&mount.device());
        let paths: Vec<_> = mounts
            .filter(|mount| mount.may_hold_unsaved())
            .filter(is_ours)
            .map(|mount| printable(&mount.mountpoint))
            .collect();
        self.reporter.unsaved(&paths.join("\n"));
    }

    /// What is to be told of the end of a process beside the verdict on its mountpoint: what is lost with a daemon whose
    /// mountpoint nobody checks.
    pub(super) fn loss_of(&self, was_daemon: bool) -> String {
        let unsaved = self.reporter.known_unsaved();
        let is_checked = |path: &&str| self.mountpoints.iter().any(|each| each.shown_path() == **path);
        let places: Vec<_> = unsaved.lines().filter(|path| !is_checked(path)).collect();
        if !was_daemon || places.is_empty() {
            return String::new();
        }
        let places = places.join("' or '");
        format!("; if it served '{places}', what was written there and not saved is lost")
    }

    pub(super) fn ending(&self) -> Ending<'_> {
        Ending {
            handoff: &self.handoff,
            proc: &self.proc,
            signals: &self.signals,
            fusectl: self.fusectl.as_ref(),
            atexit: self.atexit.as_ref().map(|(program, record)| (program, record)),
            daemons: RefCell::new(self.freezer.daemons().to_vec()),
            unsaved: self.reporter.known_unsaved(),
            reporter: &self.reporter,
            sockets: self.reloads.as_ref().map(Reloads::sockets).unwrap_or_default(),
        }
    }
}
