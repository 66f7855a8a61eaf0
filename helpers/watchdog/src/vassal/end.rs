//! The ways in which a vassal's life ends: a mountpoint or the app is lost ([`lost`]), the app ends, systemd stops it.

mod lost;

use super::state::{Stage, Vassal};
use crate::processes::reaper::Ended;
use crate::shutdown::{Shutdown, TimeoutExtension};
use std::cell::RefCell;
use std::time::Duration;
use vassal_escape::printable;
use vassal_state::health::State;
use vassal_state::restart_record::{End, SEE_ABOVE};
use vassal_sys::mountinfo::Mount;
use vassal_systemd::exit;
use vassal_systemd::status;

/// uWSGI's exit code if need-app is set and there is no app.
const NO_APP: i32 = 22;

impl Vassal {
    pub(super) fn ready_for(&self) -> Option<Duration> {
        match self.stage {
            Stage::Serving { since, .. } => Some(since.elapsed()),
            Stage::Starting => None,
        }
    }

    pub(super) fn app_ended(&mut self, how: Ended) -> u8 {
        self.let_go();
        if let (true, Stage::Serving { .. }, Ended::Exited(0)) = (self.handoff.is_on_demand, self.stage, how)
        {
            self.unrequested_shutdown().finish();
            return self.waits_for_connection();
        }
        let message = self.end_of_app(how);
        // The last words are not asked for if a signal has ended the app (it had no time for any) or a hint is known,
        // which is better.
        let reason = match how {
            Ended::Exited(_) if self.app.app.hint.is_empty() => End::App,
            Ended::Exited(_) | Ended::Killed(_) => End::Reported,
        };
        self.reporter.app_ended(&message, reason, self.ready_for());
        self.record_is(State::Failed);
        self.unrequested_shutdown().finish();
        // Data that was not saved in order has been reported already.
        self.reporter.unsaved("");
        exit::FAILED
    }

    /// The sentence about the end of the app.
    fn end_of_app(&self, how: Ended) -> String {
        let command = &self.app.app.command;
        match (self.stage, how) {
            (Stage::Starting, Ended::Exited(NO_APP)) if self.app.uwsgi.is_some() => {
                let reason = match self.app.app.hint.as_str() {
                    "" => SEE_ABOVE,
                    hint => hint,
                };
                status::NO_APP.with(&[("command", command), ("code", &NO_APP), ("reason", &reason)])
            }
            (Stage::Starting, how) => {
                status::ENDED_EARLY.with(&[("command", command), ("end", &how), ("reason", &SEE_ABOVE)])
            }
            (Stage::Serving { .. }, how) => status::ENDED.with(&[("command", command), ("end", &how)]),
        }
    }

    pub(super) fn stop(&mut self) -> u8 {
        self.thaw();
        let status = status::STOPPING.with(&[("command", &self.app.app.command)]);
        self.record_is(State::Stopping);
        self.stop_apps_and_finish(Some(status));
        match self.stage {
            Stage::Starting => self.reporter.cut_short(),
            Stage::Serving { .. } => self.reporter.stopped(),
        }
        self.health.stopped();
        0
    }

    /// The app has asked to be stopped (byte 22). It counts as an end of the app, and not as an administrator's stop:
    /// the vassal is started again, after a pause if that has happened often.
    pub(super) fn app_wants_stop(&mut self) -> u8 {
        self.thaw();
        if self.handoff.is_on_demand {
            self.reporter.status_is(status::IDLE.0);
            self.stop_apps_and_finish(None);
            return self.waits_for_connection();
        }
        let ready_for = self.ready_for();
        let command = &self.app.app.command;
        self.reporter.stopping(command);
        let message = status::ASKED_TO_STOP.with(&[("command", command)]);
        self.reporter.app_ended(&message, End::Reported, ready_for);
        self.record_is(State::Failed);
        self.stop_apps_and_finish(None);
        self.reporter.unsaved("");
        exit::FAILED
    }

    /// An app on demand has not been used for a while and has ended in order: the next connection starts it again.
    fn waits_for_connection(&mut self) -> u8 {
        self.reporter.stopped();
        self.health.stopped();
        exit::GOOD
    }

    /// Stops the apps and does the remaining steps. `status` is shown if that takes long; `None` if it was shown
    /// before.
    fn stop_apps_and_finish(&mut self, status: Option<String>) {
        self.let_go();
        // The next app has not served, so it is just killed. The requester of that reload is ended by systemd, or sees
        // the end of this process.
        let _answers = self.end_successor();
        let (app, before) = (self.app.take(), self.overlap.take_retiring());
        let extension = match status {
            Some(status) => TimeoutExtension::of_stop(&self.reporter, status),
            None => TimeoutExtension::new(&self.reporter),
        };
        let shutdown = Shutdown {
            extension: Some(extension),
            ..self.shutdown()
        };
        shutdown.stop_apps(app, before);
        shutdown.finish();
    }

    /// Records which of `mounts` would lose data if everything were killed now; only the vassal's own count.
    pub(super) fn note_unsaved<'a>(&self, mounts: impl Iterator<Item = &'a Mount>) {
        let paths: Vec<_> = mounts
            .filter(|mount| mount.may_hold_unsaved() && self.table.is_own(mount))
            .map(|mount| printable(&mount.mountpoint))
            .collect();
        self.reporter.unsaved(&paths.join("\n"));
    }

    /// What is lost with a daemon whose mountpoint is not watched; added to the report of its end.
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

    /// The [`Shutdown`] for an end that systemd has not asked for: systemd's clock for a starting or a serving unit is
    /// running meanwhile.
    fn unrequested_shutdown(&self) -> Shutdown<'_> {
        let reporter = &self.reporter;
        Shutdown {
            extension: match self.stage {
                Stage::Starting => Some(TimeoutExtension::new(reporter)),
                Stage::Serving { .. } => TimeoutExtension::of_serving(reporter, self.handoff.keep_alive),
            },
            ..self.shutdown()
        }
    }

    pub(super) fn shutdown(&self) -> Shutdown<'_> {
        Shutdown {
            handoff: &self.handoff,
            proc: &self.proc,
            table: &self.table,
            signals: &self.signals,
            fusectl: self.fusectl.as_ref(),
            atexit: self.atexit.as_ref().map(|(program, record)| (program, record)),
            daemons: RefCell::new(self.freezer.daemons().to_vec()),
            unsaved: self.reporter.known_unsaved(),
            extension: None,
            reporter: &self.reporter,
            apps: self.apps(),
            sockets: &self.sockets,
        }
    }
}
