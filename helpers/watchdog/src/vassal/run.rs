//! The life of a vassal from its app's start to its end: one loop, which waits for descriptors and for nothing else.

use super::poller::Events;
use super::state::{Flow, Stage, Vassal};
use crate::mountpoints::mountpoint::Mountpoint;
use crate::processes::reaper::take_signals;
use nix::sys::signal::Signal;
use std::ops::ControlFlow::{Break, Continue};
use std::time::Instant;
use vassal_state::restart_record::SETTLED;
use vassal_state::start_place;
use vassal_sys::SysError;
use vassal_systemd::journal::{Priority, log};
use vassal_systemd::status;

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
        if !self.readying.is_ready() {
            let status = status::STARTING.with(&[("command", &self.app.app.command)]);
            self.reporter.status_is(&status);
        }
        // What has happened since vassal-enter looked.
        if let Break(code) = self.children()? {
            return Ok(code);
        }
        if let Break(code) = self.look_at_mounts()? {
            return Ok(code);
        }
        loop {
            if let Break(code) = self.tick()? {
                return Ok(code);
            }
            self.keep_record();
            let events = self.wait()?;
            if let Break(code) = self.follow(&events)? {
                return Ok(code);
            }
        }
    }

    /// What follows from what was heard.
    fn follow(&mut self, events: &Events) -> Result<Flow, SysError> {
        if events.log {
            self.relay_log();
        }
        if events.signals {
            let signals = take_signals(&self.signals);
            if signals.contains(&Signal::SIGTERM) || signals.contains(&Signal::SIGINT) {
                return Ok(Break(self.stop()));
            }
            if let end @ Break(_) = self.children()? {
                return Ok(end);
            }
        }
        if events.mounts {
            if let end @ Break(_) = self.look_at_mounts()? {
                return Ok(end);
            }
            self.pause_mount_events()?;
        }
        if self.hear_uwsgi() {
            return Ok(Break(self.app_wants_stop()));
        }
        if events.reload {
            self.hear_requests();
        }
        self.hear_app();
        Ok(Continue(()))
    }

    /// What is due by the clock.
    fn tick(&mut self) -> Result<Flow, SysError> {
        if let Some((index, verdict)) = self.ask()? {
            return self.lost(index, verdict).map(Break);
        }
        self.thaw_in_time();
        if self.follow_reload() {
            return Ok(Break(self.app_wants_stop()));
        }
        self.follow_overlap()?;
        self.resume_mount_events();
        self.look_at_requests()?;
        let now = Instant::now();
        self.unknown_exits.summarize(now);
        if self.stage == Stage::Starting {
            self.readying.ask(&self.app, &[], &self.proc, now)?;
        }
        self.become_ready_or_settled(now)?;
        if let Some(verdict) = self.follow_liveness(now)? {
            return self.app_lost(verdict).map(Break);
        }
        if self.is_keep_alive_due(now) {
            // One that systemd has not read yet counts from when it does.
            if self.reporter.notifier.is_read() {
                self.reporter.keep_alive(&self.mountpoints, &self.app);
                self.health.is_kept_alive();
            }
            self.keep_alive_due = now + self.handoff.keep_alive;
        }
        self.leave_place();
        Ok(Continue(()))
    }

    /// systemd is told when app and mountpoints serve; the restart record, when they have for long enough.
    fn become_ready_or_settled(&mut self, now: Instant) -> Result<(), SysError> {
        match self.stage {
            Stage::Starting
                if self.readying.is_ready() && self.mountpoints.iter().all(Mountpoint::has_answered) =>
            {
                self.stage = Stage::Serving {
                    since: now,
                    settled: false,
                };
                // Before systemd hears of it: whoever has waited for the start may read the record.
                self.reporter.served();
                self.app.serves(now);
                self.know_daemons();
                self.keep_record();
                self.reporter.ready(&self.mountpoints, &self.app);
                self.settle_schedule()?;
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
        Ok(())
    }

    /// Another vassal may start now that this one serves; not before systemd's queue has what it says about that, or the starts
    /// would fill it.
    fn leave_place(&mut self) {
        let serves = matches!(self.stage, Stage::Serving { .. });
        if let Some(place) = self.place.take_if(|_| serves && self.reporter.notifier.is_sent()) {
            // The app's process may still have the file, too.
            if let Err(error) = start_place::leave(&place) {
                log(Priority::Warning, &error.to_string());
            }
        }
    }

    pub(super) fn keeps_alive(&self) -> bool {
        !self.handoff.keep_alive.is_zero() && matches!(self.stage, Stage::Serving { .. })
    }
}
