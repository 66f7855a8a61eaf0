//! How a vassal's life ends: a mountpoint or the app is lost ([`lost`]), the app has ended, systemd stops it.

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

/// The code with which uWSGI ends when need-app is set and there is none.
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
        // What a signal ends has had no say, and a hint is better than any words.
        let reason = match how {
            Ended::Exited(_) if self.app.app.hint.is_empty() => End::App,
            Ended::Exited(_) | Ended::Killed(_) => End::Reported,
        };
        self.reporter.app_ended(&message, reason, self.ready_for());
        self.record_is(State::Failed);
        self.unrequested_shutdown().finish();
        // Whatever was not saved in order has been told.
        self.reporter.unsaved("");
        exit::FAILED
    }

    /// What is said of the app's end.
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

    /// The app asks to be stopped, which is an end by the app, and no administrator's: it is counted and started again like any
    /// other, after a pause where there have been many.
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

    /// Nobody has used the app for a while, and it has ended in order: the next connection starts it again.
    fn waits_for_connection(&mut self) -> u8 {
        self.reporter.stopped();
        self.health.stopped();
        exit::GOOD
    }

    /// `status` is what a stop says once it takes long; nothing where it was said.
    fn stop_apps_and_finish(&mut self, status: Option<String>) {
        self.let_go();
        // It has not served: nothing of it is missed. systemd ends who waits for an answer, or this process's end does.
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

    /// Takes note of which of `mounts` would lose something if everything were killed now: the vassal's own.
    pub(super) fn note_unsaved<'a>(&self, mounts: impl Iterator<Item = &'a Mount>) {
        let paths: Vec<_> = mounts
            .filter(|mount| mount.may_hold_unsaved() && self.table.is_own(mount))
            .map(|mount| printable(&mount.mountpoint))
            .collect();
        self.reporter.unsaved(&paths.join("\n"));
    }

    /// What the report of a process's end says beyond a verdict: what is lost with a daemon whose mountpoint is not watched.
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

    /// The same where systemd has not asked for it, and measures meanwhile what it measures of a vassal that starts or serves.
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
