//! A running app: its process, and its connections with the watchdog. Normally there is one; during an overlapping
//! reload there are two or three.

use crate::app::master::Master;
use crate::app::notify::PayloadNotify;
use crate::app::uwsgi::Uwsgi;
use crate::liveness::check::Check;
use crate::liveness::heartbeat::Heartbeat;
use nix::unistd::Pid;
use std::time::{Duration, Instant};
use vassal_state::app::{App, Readiness};
use vassal_state::request::Links;
use vassal_sys::proc::Proc;

/// An app and its connections.
#[derive(Debug)]
pub struct Running {
    /// Its process, and how it is dealt with.
    pub app: App,
    /// The sockets of a uWSGI.
    pub uwsgi: Option<Uwsgi>,
    /// The notification socket.
    pub notify: Option<PayloadNotify>,
    /// Its health check, once it serves.
    pub check: Option<Check>,
    /// The heartbeat that is expected of it.
    pub heartbeat: Option<Heartbeat>,
}

impl Running {
    /// The app with its connections.
    pub fn new(app: App, links: Links) -> Self {
        let (uwsgi, notify) = match links {
            Links::Uwsgi {
                emperor,
                config,
                pushed,
            } => (Some(Uwsgi::new(emperor, config, pushed)), None),
            Links::Notify(socket) => (None, Some(PayloadNotify::new(socket, app.sender))),
            Links::None => (None, None),
        };
        Self {
            heartbeat: app
                .heartbeat
                .clone()
                .map(|rule| Heartbeat::new(rule, uwsgi.is_some())),
            app,
            uwsgi,
            notify,
            check: None,
        }
    }

    /// The app serves from `now` on: its health check and its heartbeat begin.
    pub fn serves(&mut self, now: Instant) {
        self.check = self.app.health.clone().map(|rule| Check::new(rule, now));
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.begin(now);
        }
        match (&mut self.notify, &self.heartbeat) {
            (Some(notify), Some(_)) => notify.serves(),
            (Some(notify), None) => notify.end(),
            (None, _) => {}
        }
    }

    /// Reads its notification socket. Returns whether the app reports that it serves.
    pub fn says_ready(&mut self, now: Instant) -> bool {
        let Some(notify) = &mut self.notify else {
            return false;
        };
        let received = notify.hear();
        if let Some(heartbeat) = self.heartbeat.as_mut().filter(|_| received.beats) {
            heartbeat.beat(now);
        }
        received.is_ready && self.app.readiness == Readiness::Notify
    }

    /// The app or the machine did not run for `time`, which must not count against the app.
    pub fn forgive(&mut self, time: Duration) {
        if let Some(check) = &mut self.check {
            check.forgive(time);
        }
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.forgive(time);
        }
    }

    /// Nothing more is expected of the app; its notification socket is emptied so that no sender waits.
    pub fn leave(&mut self) {
        if let Some(check) = &self.check {
            check.end();
        }
        if let Some(notify) = &mut self.notify {
            notify.end();
        }
    }

    /// Moves the app and its connections out of this value.
    pub fn take(&mut self) -> Self {
        Self {
            app: self.app.clone(),
            uwsgi: self.uwsgi.take(),
            notify: self.notify.take(),
            check: self.check.take(),
            heartbeat: self.heartbeat.take(),
        }
    }

    /// Its first process, the leader of its process group.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.app.pid)
    }

    /// The master, if it is a uWSGI.
    pub fn master<'a>(&self, proc: &'a Proc) -> Master<'a> {
        Master {
            pid: self.pid(),
            proc,
        }
    }
}
