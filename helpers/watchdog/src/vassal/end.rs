//! How a vassal's life ends: a mountpoint is lost, the app has ended, systemd stops it.

use super::{Stage, Vassal};
use crate::judge::{Verdict, judge_mounts};
use crate::reaper::{Ended, drain, reap};
use crate::stop::Ending;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::cell::RefCell;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use vassal_sys::error::Step;
use vassal_sys::handoff::Readiness;
use vassal_sys::journal::{Priority, line};
use vassal_sys::{SysError, exit, fusectl, mountinfo};

/// How long the kernel's answer to `WATCHDOG=trigger`, SIGKILL, may take before the watchdog ends by itself.
const TRIGGER_LIMIT: Duration = Duration::from_secs(5);

impl Vassal {
    /// A mountpoint is lost: everybody is told, whoever waits for its daemon is released, and systemd kills the unit.
    pub(super) fn lost(&mut self, index: usize, verdict: Verdict) -> Result<u8, SysError> {
        let ready_for = self.ready_for();
        if matches!(verdict, Verdict::Hung(_)) {
            self.release(index)?;
        }
        self.ending().cut_app_off();
        self.reporter
            .verdict(&self.mountpoints[index], verdict, ready_for);
        self.ending().rescue(&self.mountpoints[index].watched.mount);
        self.reporter.trigger();
        let end = Instant::now() + TRIGGER_LIMIT;
        while Instant::now() < end {
            let mut fds = [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
            let left = PollTimeout::try_from(end.saturating_duration_since(Instant::now()));
            match poll(&mut fds, left.unwrap_or(PollTimeout::ZERO)) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(SysError::new("wait for the end", errno)),
            }
            drain(&self.signals);
            reap(&self.proc);
        }
        Ok(exit::FAILED)
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
        exit::FAILED
    }

    pub(super) fn stop(&mut self) -> u8 {
        let ending = self.ending();
        self.reporter.stopping(&self.handoff.command, ending.longest());
        ending.stop_app(self.uwsgi.as_ref());
        ending.finish();
        self.reporter.settled();
        0
    }

    fn ending(&self) -> Ending<'_> {
        Ending {
            handoff: &self.handoff,
            proc: &self.proc,
            signals: &self.signals,
            fusectl: self.fusectl.as_ref(),
            atexit: self.atexit.as_ref().map(|(program, record)| (program, record)),
            committing: RefCell::default(),
        }
    }
}
