//! What is heard from the app: uWSGI's messages, and the lines of background processes.

use super::state::Vassal;
use crate::app::reload::Reloads;
use crate::app::uwsgi::Message;
use nix::errno::Errno;
use nix::unistd::read;
use vassal_state::handoff::Readiness;
use vassal_systemd::journal::{Priority, log, relay};

const LOG_CHUNK: usize = 4096;

impl Vassal {
    /// Hears uWSGI; whether it wants to be stopped.
    pub(super) fn hear_uwsgi(&mut self) -> bool {
        let has_workers = self.app.app.readiness == Readiness::Accepting;
        let Some(uwsgi) = &mut self.app.uwsgi else {
            return false;
        };
        let (mut wants_stop, mut is_loaded) = (false, false);
        for message in uwsgi.messages() {
            match message {
                Message::Accepting => {
                    self.turnover = None;
                    self.app.heartbeat.forget();
                    is_loaded = true;
                }
                Message::Loaded => is_loaded |= !has_workers,
                Message::WantsConfiguration => {
                    self.turnover = None;
                    self.app.heartbeat.forget();
                    // An app that cannot be given it says so itself, and nothing of an app's ends its watchdog.
                    if let Err(error) = uwsgi.push_again() {
                        log(Priority::Warning, &error.to_string());
                    }
                    // The last that is heard of the reload of a uWSGI without workers.
                    is_loaded |= !has_workers;
                }
                Message::WantsStop => wants_stop = true,
                Message::Heartbeat => self.app.heartbeat.heard(self.awake),
                Message::Other => {}
            }
        }
        if is_loaded {
            if matches!(self.app.app.readiness, Readiness::Loaded | Readiness::Accepting) {
                self.readying.set_ready();
            }
            if self.reloads.as_mut().is_some_and(Reloads::finish) {
                self.reporter.differs(String::new(), String::new());
                self.reporter.keep_alive(&self.mountpoints);
            }
        }
        if uwsgi.socket().is_none() {
            self.listen_anew();
        }
        wants_stop
    }

    /// Passes on what a background process of a hook says.
    pub(super) fn relay_log(&mut self) {
        let mut chunk = [0; LOG_CHUNK];
        match self.log.as_ref().map(|log| read(log, &mut chunk)) {
            Some(Ok(length @ 1..)) => relay(&chunk[..length]),
            Some(Err(Errno::EAGAIN | Errno::EINTR)) => {}
            Some(Ok(0) | Err(_)) | None => {
                self.log = None;
                self.listen_anew();
            }
        }
    }
}
