//! Stops the apps: they are told to stop and killed at their limits or, if their vassal is lost, killed at once.

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
    /// Tells the app to stop and waits for it, and for `others`, which was told before. Each is killed at its limit; if
    /// even that does not end it, the vassal's FUSE connections are aborted.
    pub fn stop_apps(&self, app: Running, others: Option<Retiring>) {
        // A stopped process does not act on an order.
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

    /// Kills the apps, which are stopped (SIGSTOP), because their vassal is lost and they could only give wrong
    /// answers. Returns copies of their connections' ends, which the caller keeps open as long as possible.
    pub fn cut_apps_off(&self) -> Vec<OwnedFd> {
        let accepted = |app: &Pid| connections::accepted(self.proc, *app);
        let connections = self.copies(|| self.apps.iter().flat_map(accepted).collect());
        self.kill_apps();
        connections.iter().for_each(connections::end);
        connections
    }

    /// Kills the rest of the apps' processes.
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
