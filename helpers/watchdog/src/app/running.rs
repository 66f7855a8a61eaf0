//! An app that runs: its process, and what connects it with the watchdog. There is one, and during a reload that overlaps
//! there are two or three.

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
    /// The notification socket of another program.
    pub notify: Option<PayloadNotify>,
    /// The questions about its health, once it serves.
    pub check: Option<Check>,
    /// What it is to send.
    pub heartbeat: Option<Heartbeat>,
}

impl Running {
    /// The app, with `links` to it.
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

    /// It serves from `now` on, and is held to what its file says of that.
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

    /// Hears what it says on its notification socket: whether it says that it serves.
    pub fn says_ready(&mut self, now: Instant) -> bool {
        let Some(notify) = &mut self.notify else {
            return false;
        };
        let said = notify.hear();
        if let Some(heartbeat) = self.heartbeat.as_mut().filter(|_| said.beats) {
            heartbeat.beat(now);
        }
        said.is_ready && self.app.readiness == Readiness::Notify
    }

    /// It, or the machine, has stood still for `time`.
    pub fn forgive(&mut self, time: Duration) {
        if let Some(check) = &mut self.check {
            check.forgive(time);
        }
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.forgive(time);
        }
    }

    /// Nothing more is expected of it, and nothing that it sends has to wait for being read.
    pub fn leave(&mut self) {
        if let Some(check) = &self.check {
            check.end();
        }
        if let Some(notify) = &mut self.notify {
            notify.end();
        }
    }

    /// The app with its connections, which nobody else has from here on.
    pub fn take(&mut self) -> Self {
        Self {
            app: self.app.clone(),
            uwsgi: self.uwsgi.take(),
            notify: self.notify.take(),
            check: self.check.take(),
            heartbeat: self.heartbeat.take(),
        }
    }

    /// Its first process, which leads its process group.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.app.pid)
    }

    /// That process as a uWSGI's master.
    pub fn master<'a>(&self, proc: &'a Proc) -> Master<'a> {
        Master {
            pid: self.pid(),
            proc,
        }
    }
}
