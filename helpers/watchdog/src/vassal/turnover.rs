//! Reloads in place. The app is told to reload; a uWSGI's processes are supervised until its workers have ended, as at
//! a stop ([`crate::app::wind_down`]). Then its master asks for the configuration, before it forks new workers.

use super::state::{Stage, Vassal};
use crate::app::drain::{DrainTarget, drain_then_order};
use crate::app::uwsgi::Order;
use crate::app::wind_down::WindDown;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;
use vassal_state::request::{Answer, Request};
use vassal_systemd::status;

/// Why a vassal that does not serve is not reloaded.
const NOT_YET: &str = "the vassal does not serve yet: it starts with its file as it is now";
const ONE_AT_A_TIME: &str = "a reload in place is under way already";
const NO_SIGNAL: &str = "the app cannot be reloaded in place: [vassal] has no reload-signal (reload-signal = HUP, or systemctl restart)";
const NO_PROCESS: &str = "no process can be started now (TasksMax=)";
const DEAF: &str = "the app has closed its Emperor's socket, and cannot be told (systemctl restart)";

impl Vassal {
    /// Carries out the requests that have arrived, or refuses them with a reason.
    pub(super) fn hear_requests(&mut self) {
        while let Some((request, answers)) = self.reloads.as_ref().and_then(|reloads| reloads.next()) {
            let serves = matches!(self.stage, Stage::Serving { .. });
            let is_busy = self
                .reloads
                .as_ref()
                .is_some_and(|reloads| reloads.is_under_way());
            let reason = match request {
                Request::Differs { since, why } => {
                    self.reporter.differs(since, why);
                    self.keep_alive_due = self.awake;
                    continue;
                }
                _ if !serves => NOT_YET,
                _ if is_busy => ONE_AT_A_TIME,
                Request::InPlace { pushed } => {
                    self.reload_in_place(pushed.map(File::from), answers);
                    continue;
                }
                Request::Successor {
                    app,
                    limit,
                    record,
                    links,
                } => {
                    self.accept_successor(*app, limit, record, links, answers);
                    continue;
                }
            };
            Answer::Refused(reason.into()).send(answers.as_fd());
        }
    }

    /// Lets the app reload in place.
    fn reload_in_place(&mut self, pushed: Option<File>, answers: OwnedFd) {
        match (self.tell_to_reload(pushed), &mut self.reloads) {
            (Ok(Some((messenger, before))), Some(reloads)) => {
                reloads.begin(messenger, answers, before);
                self.reporter.status_is(status::RELOADING.0);
            }
            (Ok(_), _) => {
                self.reporter.differs(String::new(), String::new());
                Answer::Done.send(answers.as_fd());
            }
            (Err(reason), _) => Answer::Refused(reason.into()).send(answers.as_fd()),
        }
    }

    /// Sends a messenger to uWSGI; returns it with the previous configuration. `None` for another program, which gets a
    /// signal instead.
    fn tell_to_reload(&mut self, pushed: Option<File>) -> Result<Option<(Pid, Option<File>)>, &'static str> {
        let master = self.app.master(&self.proc);
        let Some(uwsgi) = &mut self.app.uwsgi else {
            let signal = Signal::try_from(self.app.app.reload_signal).map_err(|_| NO_SIGNAL)?;
            return kill(master.pid, signal).map(|()| None).map_err(|_| NO_SIGNAL);
        };
        let turnover = WindDown::to_reload(&master.workers(), Instant::now());
        let listener = DrainTarget {
            master,
            sockets: &self.sockets.names,
        };
        let emperor = uwsgi.socket().ok_or(DEAF)?;
        let messenger = drain_then_order(&listener, emperor, Order::Reload).map_err(|_| NO_PROCESS)?;
        self.turnover = Some(turnover);
        Ok(Some((messenger, pushed.map(|pushed| uwsgi.exchange(pushed)))))
    }

    /// Supervises the old workers of a reloading uWSGI. Returns whether uWSGI asks to be stopped.
    pub(super) fn follow_reload(&mut self) -> bool {
        let now = Instant::now();
        // A process that is stopped on purpose must not be continued.
        let is_frozen = self.freezer.until().is_some();
        // Evaluated in any case, because it also sets the time of the next look, until which the loop may sleep.
        let is_due = self
            .turnover
            .as_mut()
            .is_some_and(|turnover| turnover.is_due(now));
        let is_told = self
            .reloads
            .as_ref()
            .is_some_and(|reloads| !reloads.has_messenger());
        if is_frozen || !is_told || !is_due {
            return false;
        }
        let children = self.app.master(&self.proc).children();
        // Messages are read after the look: if a worker seen there was forked for the new configuration, uWSGI has
        // already said so and the turnover is over.
        let wants_stop = self.hear_uwsgi();
        let Some(turnover) = &mut self.turnover else {
            return wants_stop;
        };
        let listener = DrainTarget {
            master: self.app.master(&self.proc),
            sockets: &self.sockets.names,
        };
        let acts = turnover.acts(&children, now);
        acts.into_iter().for_each(|act| act.perform(&listener));
        wants_stop
    }
}
