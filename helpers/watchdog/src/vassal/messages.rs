//! Messages of the app: uWSGI's bytes, another program's notifications, the answers to health checks; and the output of
//! hooks' background processes.

use super::state::{Stage, Vassal};
use crate::app::reload::Reloads;
use crate::app::uwsgi::{Message, Uwsgi};
use crate::liveness::question::Question;
use crate::liveness::verdict::Verdict;
use crate::liveness::way::Way;
use nix::errno::Errno;
use nix::unistd::read;
use std::time::Instant;
use vassal_state::app::{HealthCheck, Readiness};
use vassal_sys::SysError;
use vassal_systemd::journal::{Priority, log, relay};

const LOG_CHUNK: usize = 4096;

/// What uWSGI's messages mean, since they were last read.
#[derive(Debug, Default)]
struct Heard {
    /// It asks to be stopped.
    wants_stop: bool,
    /// Everything is loaded, and a worker accepts requests if there is to be one.
    is_loaded: bool,
    /// A worker has sent its heartbeat.
    beats: bool,
    /// It has begun (`true`) or finished (`false`) to reload itself.
    reloads_itself: Option<bool>,
    /// The workers of before a reload have ended.
    has_new_workers: bool,
}

impl Heard {
    /// Takes what `uwsgi` has sent, and answers its request for a configuration.
    fn from(uwsgi: &mut Uwsgi, has_workers: bool) -> Self {
        let mut heard = Self::default();
        for message in uwsgi.messages() {
            match message {
                Message::Accepting => {
                    (heard.has_new_workers, heard.is_loaded) = (true, true);
                    heard.reloads_itself = Some(false);
                }
                Message::Loaded => heard.is_loaded |= !has_workers,
                Message::WantsConfiguration => {
                    heard.has_new_workers = true;
                    heard.reloads_itself = Some(has_workers);
                    // uWSGI will report itself that it has no configuration, and no fault of an app may end the
                    // watchdog.
                    if let Err(error) = uwsgi.push_again() {
                        log(Priority::Warning, &error.to_string());
                    }
                    // For a uWSGI without workers this is the last message of a reload.
                    heard.is_loaded |= !has_workers;
                }
                Message::WantsStop => heard.wants_stop = true,
                Message::Heartbeat => heard.beats = true,
                Message::Other => {}
            }
        }
        heard
    }
}

impl Vassal {
    /// Reads uWSGI's messages. Returns whether it asks to be stopped.
    pub(super) fn hear_uwsgi(&mut self) -> bool {
        let has_workers = self.app.app.readiness == Readiness::Accepting;
        let uwsgi = self.app.uwsgi.as_mut().filter(|uwsgi| uwsgi.socket().is_some());
        let Some(uwsgi) = uwsgi else {
            return false;
        };
        let heard = Heard::from(uwsgi, has_workers);
        let has_closed = uwsgi.socket().is_none();
        if heard.has_new_workers {
            self.turnover = None;
        }
        self.follow_heartbeat(&heard);
        if heard.is_loaded {
            self.uwsgi_is_loaded();
        }
        if let (Some(check), Some(is_under_way)) = (&mut self.app.check, heard.reloads_itself) {
            check.reloads_itself(is_under_way, Instant::now());
        }
        if has_closed {
            self.listen_anew();
        }
        heard.wants_stop
    }

    fn follow_heartbeat(&mut self, heard: &Heard) {
        if let Some(heartbeat) = &mut self.app.heartbeat {
            match (heard.reloads_itself, heard.beats) {
                // The workers are new.
                (Some(_), _) => heartbeat.forget(),
                (None, true) => heartbeat.beat(self.awake),
                (None, false) => {}
            }
        }
    }

    /// uWSGI serves, and a reload that was requested is complete.
    fn uwsgi_is_loaded(&mut self) {
        if matches!(self.app.app.readiness, Readiness::Loaded | Readiness::Accepting) {
            self.readying.set_ready();
        }
        if self.reloads.as_mut().is_some_and(Reloads::finish) {
            self.reporter.differs(String::new(), String::new());
            self.reporter.keep_alive(&self.mountpoints, &self.app);
        }
    }

    /// Reads the notification socket of another program than uWSGI.
    pub(super) fn hear_app(&mut self) {
        if self.app.says_ready(Instant::now()) {
            self.readying.set_ready();
        }
    }

    /// Asks the app about its health and checks its heartbeat. Returns the verdict if it is not well. It is asked only
    /// while it is the only app and can answer: during a reload another one could answer in its place.
    pub(super) fn follow_liveness(&mut self, now: Instant) -> Result<Option<Verdict>, SysError> {
        if self.stage == Stage::Starting {
            return Ok(None);
        }
        let reloads = self.reloads.as_ref().is_some_and(Reloads::is_under_way);
        let is_frozen = self.freezer.until().is_some();
        let may_ask = !reloads && !is_frozen && self.overlap.is_over();
        let (proc, app) = (&self.proc, self.app.pid());
        if let Some(check) = &mut self.app.check {
            let ask = |rule: &HealthCheck, now| Question::ask(rule, Way { proc, app }, now);
            let verdict = check.tick(may_ask, now, ask)?;
            if check.take_news() {
                // Sends the status line, which shows the result.
                self.keep_alive_due = now;
            }
            if verdict.is_some() {
                return Ok(verdict);
            }
        }
        let heartbeat = self.app.heartbeat.as_ref();
        Ok(heartbeat.and_then(|heartbeat| heartbeat.judge(now)))
    }

    /// Relays the output of hooks' background processes.
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
