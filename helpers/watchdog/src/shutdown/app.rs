//! The app is asked to stop, and killed at its limit; or killed at once, when its vassal is lost.

use super::signalling::{signal_group, warn};
use super::state::{KILL_LIMIT, Shutdown};
use crate::app::connections;
use crate::app::uwsgi::Uwsgi;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::os::fd::OwnedFd;

impl Shutdown<'_> {
    /// Asks the app to stop and waits for it; kills it at its limit, and cuts its filesystems off if even that does
    /// not end it.
    pub fn stop_app(&self, uwsgi: Option<&Uwsgi>) {
        let app = Pid::from_raw(self.handoff.payload);
        // What stands still hears no order.
        self.continue_all();
        let has_ended = match uwsgi {
            Some(uwsgi) => self.stop_uwsgi(uwsgi, app),
            None => {
                let signal = Signal::try_from(self.handoff.stop_signal);
                signal.is_ok_and(|signal| killpg(app, signal).is_ok())
                    && self.reaped(app, self.handoff.stop_limit)
            }
        };
        if has_ended {
            return;
        }
        let limit = self.handoff.stop_limit.as_secs_f32();
        warn(&format!(
            "{} did not stop within {limit} s, killing it",
            self.handoff.command
        ));
        signal_group(app, Signal::SIGKILL);
        if !self.reaped(app, KILL_LIMIT) {
            self.abort_filesystems();
            self.reaped(app, KILL_LIMIT);
        }
    }

    /// Ends the app, which stands still, at once: its vassal is lost, and it can only give wrong answers any more. Its
    /// clients see the ends that are returned, which are to be held as long as possible.
    pub fn cut_app_off(&self) -> Vec<OwnedFd> {
        let app = Pid::from_raw(self.handoff.payload);
        let connections = connections::accepted(self.proc, app);
        signal_group(app, Signal::SIGKILL);
        connections.iter().for_each(connections::end);
        connections
    }

    /// The listening sockets that the app has made itself.
    pub fn listening(&self) -> Vec<OwnedFd> {
        connections::listening(self.proc, Pid::from_raw(self.handoff.payload), &self.sockets)
    }
}
