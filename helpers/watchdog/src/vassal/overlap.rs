//! Overlapping reloads: the next app loads beside the present one, on the same sockets. When it serves, the present app
//! takes no more connections, answers its requests, and ends. If the next app does not come to serve, it is removed and
//! nothing has changed.

use super::state::Vassal;
use crate::app::readying::Readying;
use crate::app::retiring::Retiring;
use crate::app::running::Running;
use crate::app::succession::{Predecessor, Successor};
use crate::app::uwsgi::Message;
use crate::processes::reaper::{Child, Ended};
use crate::processes::signalling::signal_group;
use nix::sys::signal::Signal;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime};
use vassal_state::app::{App, Readiness};
use vassal_state::request::{Answer, Links};
use vassal_sys::SysError;
use vassal_systemd::journal::{Priority, log};

/// How long the requester of a reload waits for the end of an app that may still accept connections.
const END_LIMIT: Duration = Duration::from_secs(5);

impl Vassal {
    /// Takes over the process that waits to become the next app. If an older reload's app is still loading, it is
    /// removed, because its file is older.
    pub(super) fn accept_successor(
        &mut self,
        app: App,
        limit: Duration,
        record: OwnedFd,
        links: Links,
        answers: OwnedFd,
    ) {
        self.remove_successor("another reload has come");
        let now = Instant::now();
        self.overlap.successor = Some(Successor {
            readying: Readying::of(&app, now),
            running: Running::new(app, links),
            is_let_go: false,
            record,
            limit,
            end: now + limit,
            asked: SystemTime::now(),
            answers,
        });
        self.listen_anew();
    }

    /// Permits the next app to start, once the app before the present one has ended: there are never three.
    fn let_successor_go(&mut self, now: Instant) {
        let has_room = self.overlap.predecessor.is_none();
        let Some(successor) = &mut self.overlap.successor else {
            return;
        };
        if has_room && !std::mem::replace(&mut successor.is_let_go, has_room) {
            Answer::Known.send(successor.answers.as_fd());
            successor.readying = Readying::of(&successor.running.app, now);
            let (command, pid) = (&successor.running.app.command, successor.running.pid());
            let status = format!("serving; a reload starts {command} beside it (process {pid})");
            self.reporter.status_is(&status);
        }
    }

    /// Removes the next app before it serves; the requester gets the reason.
    pub(super) fn remove_successor(&mut self, reason: &str) {
        if let Some(answers) = self.end_successor() {
            Answer::Refused(reason.into()).send(answers.as_fd());
            // Sends the status line, which says that no app is loading any more.
            self.keep_alive_due = self.awake;
            self.listen_anew();
        }
    }

    /// Removes the next app without an answer to the requester. Returns the socket for the answer.
    pub(super) fn end_successor(&mut self) -> Option<OwnedFd> {
        let successor = self.overlap.successor.take()?;
        successor.readying.end();
        signal_group(successor.running.pid(), Signal::SIGKILL);
        Some(successor.answers)
    }

    /// Takes the end of a child. Returns whether it belonged to an app beside the one that serves.
    pub(super) fn take_of_overlap(&mut self, child: &Child) -> bool {
        if let Some(predecessor) = &mut self.overlap.predecessor {
            if predecessor.retiring.take(child) {
                return true;
            }
        }
        let Some(successor) = &mut self.overlap.successor else {
            return false;
        };
        if successor.readying.take_answer(child.pid, child.how.code()) {
            return true;
        }
        if successor.running.pid() != child.pid {
            return false;
        }
        let command = &successor.running.app.command;
        let reason = match (child.how, successor.running.app.hint.as_str()) {
            (Ended::Exited(22), hint) if !hint.is_empty() => {
                format!("{command} exited with 22: the app did not load ({hint})")
            }
            (how, _) => format!("{command} {how} before it served"),
        };
        self.remove_successor(&reason);
        true
    }

    /// Reads the next app's messages, asks it whether it serves, and lets it take over if it does; then does what is
    /// due for the previous app.
    ///
    /// # Errors
    /// When no process can be forked.
    pub(super) fn follow_overlap(&mut self) -> Result<(), SysError> {
        let now = Instant::now();
        // The previous app first: the next one waits for its end, and nothing else may wake this process.
        self.follow_predecessor(now);
        self.let_successor_go(now);
        self.hear_successor();
        let others: Vec<_> = [self.app.pid()].into_iter().chain(self.overlap.pids()).collect();
        if let Some(successor) = &mut self.overlap.successor {
            let own = successor.running.pid();
            let others: Vec<_> = others.into_iter().filter(|pid| *pid != own).collect();
            if successor.is_let_go {
                successor
                    .readying
                    .ask(&successor.running, &others, &self.proc, now)?;
            }
            if successor.is_let_go && successor.readying.is_ready() {
                self.promote(now);
            } else if now >= successor.end {
                let limit = successor.limit.as_secs_f32();
                let command = &successor.running.app.command;
                let reason = format!("{command} did not serve within {limit} s");
                self.remove_successor(&reason);
            }
        }
        Ok(())
    }

    fn hear_successor(&mut self) {
        let Some(Successor {
            running, readying, ..
        }) = &mut self.overlap.successor
        else {
            return;
        };
        if running.says_ready(Instant::now()) {
            readying.set_ready();
        }
        let readiness = running.app.readiness.clone();
        let Some(uwsgi) = &mut running.uwsgi else { return };
        for message in uwsgi.messages() {
            match (message, &readiness) {
                (Message::Accepting, Readiness::Accepting) | (Message::Loaded, Readiness::Loaded) => {
                    readying.set_ready();
                }
                (Message::WantsConfiguration, _) => {
                    if let Err(error) = uwsgi.push_again() {
                        log(Priority::Warning, &error.to_string());
                    }
                }
                (Message::WantsStop, _) => {
                    return self.remove_successor("the app has asked to be stopped");
                }
                _ => {}
            }
        }
        if uwsgi.socket().is_none() {
            self.listen_anew();
        }
    }

    /// The next app serves: it takes the place of the present app, which is told to stop.
    fn promote(&mut self, now: Instant) {
        let Some(successor) = self.overlap.successor.take() else {
            return;
        };
        if let Some(Err(error)) = self
            .reloads
            .as_ref()
            .map(|reloads| reloads.replace_record(&successor.record))
        {
            log(Priority::Warning, &error.to_string());
        }
        if let Some(reloads) = &mut self.reloads {
            reloads.is_done(successor.asked);
        }
        successor.readying.end();
        let before = std::mem::replace(&mut self.app, successor.running);
        self.app.serves(now);
        self.readying = successor.readying;
        self.turnover = None;
        let retiring = Retiring::begin(before, &self.proc, &self.sockets.names, now);
        self.overlap.predecessor = Some(Predecessor {
            retiring,
            waiting: Some((successor.answers, now + END_LIMIT)),
        });
        self.reporter.differs(String::new(), String::new());
        self.keep_alive_due = self.awake;
        self.listen_anew();
    }

    fn follow_predecessor(&mut self, now: Instant) {
        let is_frozen = self.freezer.until().is_some();
        let Some(predecessor) = &mut self.overlap.predecessor else {
            return;
        };
        let Predecessor { retiring, waiting } = predecessor;
        if !is_frozen {
            retiring.follow(&self.proc, &self.sockets.names, now);
        }
        let is_drained = retiring.is_drained();
        if let Some((answers, _)) = waiting.take_if(|(_, end)| is_drained || now >= *end) {
            Answer::Done.send(answers.as_fd());
        }
        if retiring.has_ended() && waiting.is_none() {
            self.overlap.predecessor = None;
        }
    }
}
