//! The apps are asked to stop, and killed at their limits; or killed at once, when their vassal is lost.

use super::state::{KILL_LIMIT, Shutdown};
use crate::app::connections;
use crate::app::retiring::Retiring;
use crate::app::running::Running;
use crate::processes::signalling::signal_group;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::os::fd::OwnedFd;
use std::time::Instant;

impl Shutdown<'_> {
    /// Asks the app to stop, and waits for it and for `others`, which were asked before; kills each at its limit, and cuts the
    /// vassal's filesystems off if even that does not end it.
    pub fn stop_apps(&self, app: Running, others: Option<Retiring>) {
        // What stands still hears no order.
        self.continue_all();
        let names = &self.sockets.names;
        let mut apps = vec![Retiring::begin(app, self.proc, names, Instant::now())];
        apps.extend(others);
        let limit = apps.iter().map(|app| app.running.app.stop_limit).max();
        let limit = limit.unwrap_or_default() + KILL_LIMIT;
        if !self.reap_until(limit, |ended, any_left| {
            for app in &mut apps {
                ended.iter().for_each(|child| {
                    app.take(child);
                });
                app.follow(self.proc, names, Instant::now());
            }
            !any_left || apps.iter().all(Retiring::has_ended)
        }) {
            self.abort_filesystems();
            self.reap_until(KILL_LIMIT, |ended, any_left| {
                for app in &mut apps {
                    ended.iter().for_each(|child| {
                        app.take(child);
                    });
                }
                !any_left || apps.iter().all(Retiring::has_ended)
            });
        }
    }

    /// Ends the apps, which stand still, at once: their vassal is lost, and they can only give wrong answers any more. Their
    /// clients see the ends that are returned, which are to be held as long as possible.
    pub fn cut_apps_off(&self) -> Vec<OwnedFd> {
        let accepted = |app: &Pid| connections::accepted(self.proc, *app);
        let connections = self.copies(|| self.apps.iter().flat_map(accepted).collect());
        self.kill_apps();
        connections.iter().for_each(connections::end);
        connections
    }

    /// Ends what is left of the apps.
    pub(super) fn kill_apps(&self) {
        self.apps
            .iter()
            .for_each(|app| signal_group(*app, Signal::SIGKILL));
    }

    /// The listening sockets that the apps have made themselves.
    pub fn listening(&self) -> Vec<OwnedFd> {
        let listening = |app: &Pid| connections::listening(self.proc, *app, &self.sockets.fds);
        self.copies(|| self.apps.iter().flat_map(listening).collect())
    }
}
