//! An app that runs: its process, and what connects it with the watchdog. There is one, and during a reload that overlaps
//! there are two or three.

use crate::app::heartbeat::Heartbeat;
use crate::app::master::Master;
use crate::app::notify::PayloadNotify;
use crate::app::uwsgi::Uwsgi;
use nix::unistd::Pid;
use vassal_state::handoff::App;
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
    /// The heartbeat of a uWSGI.
    pub heartbeat: Heartbeat,
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
            Links::Notify(socket) => (None, Some(PayloadNotify::new(socket))),
            Links::None => (None, None),
        };
        Self {
            app,
            uwsgi,
            notify,
            heartbeat: Heartbeat::default(),
        }
    }

    /// The app with its connections, which nobody else has from here on.
    pub fn take(&mut self) -> Self {
        Self {
            app: self.app.clone(),
            uwsgi: self.uwsgi.take(),
            notify: self.notify.take(),
            heartbeat: Heartbeat::default(),
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
