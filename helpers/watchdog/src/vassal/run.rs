//! The main loop, from the app's start to its end. It waits for descriptors and for nothing else.

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
    /// Runs until the end of the vassal. Returns the exit code.
    ///
    /// # Errors
    /// When waiting fails.
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
        // Children may have ended before the signals were read here for the first time.
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

    /// Reacts to the ready descriptors.
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

    /// Does what is due by the clock.
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
            // A keep-alive that systemd has not read yet counts from when it is read.
            if self.reporter.notifier.is_read() {
                self.reporter.keep_alive(&self.mountpoints, &self.app);
                self.health.is_kept_alive();
            }
            self.keep_alive_due = now + self.handoff.keep_alive;
        }
        self.leave_place();
        Ok(Continue(()))
    }

    /// Tells systemd when the app and all mountpoints serve, and the restart record when they have done so for long
    /// enough.
    fn become_ready_or_settled(&mut self, now: Instant) -> Result<(), SysError> {
        match self.stage {
            Stage::Starting
                if self.readying.is_ready() && self.mountpoints.iter().all(Mountpoint::has_answered) =>
            {
                self.stage = Stage::Serving {
                    since: now,
                    settled: false,
                };
                // Before systemd is told, because a process that waits for the start may read the record.
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

    /// Releases the place among the concurrent starts when this vassal serves, but not before systemd's queue has taken
    /// its messages; otherwise the starts would fill the queue.
    fn leave_place(&mut self) {
        let serves = matches!(self.stage, Stage::Serving { .. });
        if let Some(place) = self.place.take_if(|_| serves && self.reporter.notifier.is_sent()) {
            // Unlocked explicitly, because the app's process may still have the file open.
            if let Err(error) = start_place::leave(&place) {
                log(Priority::Warning, &error.to_string());
            }
        }
    }

    pub(super) fn keeps_alive(&self) -> bool {
        !self.handoff.keep_alive.is_zero() && matches!(self.stage, Stage::Serving { .. })
    }
}
