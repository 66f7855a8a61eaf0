//! The life of a vassal from its app's start to its end: one loop, which waits for descriptors and for nothing else.

use super::state::{Stage, Vassal};
use crate::app::accepts;
use crate::app::notify::PayloadNotify;
use crate::mountpoints::mountpoint::Mountpoint;
use crate::processes::probe::{Attempt, Probe};
use crate::processes::reaper::take_signals;
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};
use vassal_state::handoff::Readiness;
use vassal_state::restart_record::SETTLED;
use vassal_sys::SysError;

/// The time between two tries to connect to an app that has not said otherwise that it serves.
pub(super) const CONNECT_AGAIN: Duration = Duration::from_millis(20);

impl Vassal {
    /// Watches until the end; the exit code.
    ///
    /// # Errors
    /// A kernel that does not let us wait.
    pub fn watch(mut self) -> Result<u8, SysError> {
        let code = self.live();
        self.unknown_exits.finish();
        self.reporter.deliver();
        code
    }

    fn live(&mut self) -> Result<u8, SysError> {
        if !self.accepting {
            self.reporter.status_is(&format!(
                "starting; waiting for {} to accept requests",
                self.handoff.command
            ));
        }
        // What has happened since vassal-enter looked.
        if let Some(code) = self.children()? {
            return Ok(code);
        }
        if let Some(code) = self.look_at_mounts()? {
            return Ok(code);
        }
        loop {
            if let Some(code) = self.tick()? {
                return Ok(code);
            }
            self.keep_record();
            let events = self.wait()?;
            if events.log {
                self.relay_log();
            }
            if events.signals {
                if take_signals(&self.signals)
                    .iter()
                    .any(|signal| matches!(signal, Signal::SIGTERM | Signal::SIGINT))
                {
                    return Ok(self.stop());
                }
                if let Some(code) = self.children()? {
                    return Ok(code);
                }
            }
            if events.mounts {
                if let Some(code) = self.look_at_mounts()? {
                    return Ok(code);
                }
                self.pause_mount_events()?;
            }
            if events.uwsgi && self.hear_uwsgi() {
                return Ok(self.app_wants_stop());
            }
            if events.reload {
                self.reload();
            }
            let notify = self.payload_notify.as_mut();
            self.accepting |= notify.is_some_and(PayloadNotify::says_ready);
        }
    }

    /// What is due by the clock, and what follows from what was heard.
    fn tick(&mut self) -> Result<Option<u8>, SysError> {
        if let Some((index, verdict)) = self.ask()? {
            return self.lost(index, verdict).map(Some);
        }
        self.thaw_in_time();
        if self.follow_reload() {
            return Ok(Some(self.app_wants_stop()));
        }
        self.resume_mount_events();
        self.look_at_requests()?;
        let now = Instant::now();
        self.unknown_exits.summarize(now);
        if let (Stage::Starting, Readiness::Connect(address), Attempt::Due(due)) =
            (self.stage, &self.handoff.readiness, &self.connecting)
        {
            if !self.accepting && now >= *due {
                let probe = Probe::run(|| accepts::connect(address))?;
                self.connecting = Attempt::of(probe, now + CONNECT_AGAIN);
            }
        }
        match self.stage {
            Stage::Starting if self.accepting && self.mountpoints.iter().all(Mountpoint::has_answered) => {
                self.reporter.ready(&self.mountpoints);
                self.know_daemons();
                self.settle_schedule()?;
                self.stage = Stage::Serving {
                    since: now,
                    settled: false,
                };
                self.keep_alive_due = now + self.handoff.keep_alive;
            }
            Stage::Serving {
                since,
                settled: false,
            } if now >= since + SETTLED => {
                self.reporter.settled();
                self.stage = Stage::Serving { since, settled: true };
            }
            Stage::Starting | Stage::Serving { .. } => {}
        }
        if self.is_keep_alive_due(now) {
            // One that systemd has not read yet counts from when it does.
            if self.reporter.notifier.is_read() {
                self.reporter.keep_alive(&self.mountpoints);
                self.health.is_kept_alive();
            }
            self.keep_alive_due = now + self.handoff.keep_alive;
        }
        Ok(None)
    }

    pub(super) fn keeps_alive(&self) -> bool {
        !self.handoff.keep_alive.is_zero() && matches!(self.stage, Stage::Serving { .. })
    }
}
