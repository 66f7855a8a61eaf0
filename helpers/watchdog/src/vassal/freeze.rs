//! When a FUSE daemon ends, the app is stopped (SIGSTOP) while the mountpoints are asked. If a mountpoint is lost, each
//! request that the app took meanwhile would get a wrong answer; instead requests wait at the socket for the next app.
//! If none is lost, the app was stopped only for the millisecond that the answers take. Until the app is stopped, its
//! own requests to the filesystem wait ([`crate::processes::held`]).

use super::freezer::Freezer;
use super::state::Vassal;
use crate::app::connections;
use crate::mountpoints::mountpoint::Mountpoint;
use crate::processes::held::hold;
use crate::processes::reaper::{Child, reap_with};
use crate::processes::signalling::signal_group;
use crate::processes::tree;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::time::{Duration, Instant};
use vassal_sys::proc::Proc;
use vassal_sys::signals;

/// How long the app is stopped for mountpoints that do not answer: they may only be slow, and are not judged before
/// their deadline. A busy machine may take some hundred milliseconds to answer for a lost one.
const LIMIT: Duration = Duration::from_secs(1);

impl Vassal {
    /// Finds the FUSE daemons when the vassal begins to serve. Only children of the watchdog count, because only of
    /// their ends it is informed.
    pub(super) fn know_daemons(&mut self) {
        if self.watches_fuse() || !self.reporter.known_unsaved().is_empty() {
            let serves = |pid: &Pid| tree::serves_fuse(&self.proc, *pid);
            self.freezer.daemons = self.proc.own_children().into_iter().filter(serves).collect();
        }
        if self.watches_fuse() {
            (self.freezer.held, self.freezer.copier) = hold(&self.proc, &self.freezer.daemons);
        }
    }

    /// Reaps children; also returns which of them were FUSE daemons. When one has ended, the app is stopped before
    /// anything else, even before the daemon's connection ends, which would make the app give wrong answers.
    pub(super) fn reap(&mut self) -> (Vec<Child>, Vec<Pid>) {
        let watches_fuse = self.watches_fuse();
        let apps = self.apps();
        let proc = &self.proc;
        let Freezer {
            daemons,
            until,
            held,
            copier: _,
        } = &mut self.freezer;
        let mut ended_daemons = Vec::new();
        let (ended, _) = reap_with(&self.proc, |pid| {
            if !daemons.contains(&pid) {
                return;
            }
            if watches_fuse {
                apps.iter().for_each(|app| stop(proc, *app));
                *until = Some(Instant::now() + LIMIT);
            }
            held.retain(|each| !each.is_of(pid));
            daemons.retain(|daemon| *daemon != pid);
            ended_daemons.push(pid);
        });
        (ended, ended_daemons)
    }

    /// The first process of each app; there are several during an overlapping reload.
    pub(super) fn apps(&self) -> Vec<Pid> {
        let others = self.overlap.pids();
        [self.app.pid()].into_iter().chain(others).collect()
    }

    /// Gives up the copies of the daemons' connections, because the app does not matter any more: its requests may fail
    /// now.
    pub(super) fn let_go(&mut self) {
        self.freezer.held.clear();
    }

    /// Stops the app.
    pub(super) fn freeze(&self) {
        self.apps().iter().for_each(|app| stop(&self.proc, *app));
    }

    /// Continues the app when every mountpoint has answered, or one has taken too long.
    pub(super) fn thaw_in_time(&mut self) {
        let Some(until) = self.freezer.until else { return };
        if until <= Instant::now() || !self.mountpoints.iter().any(Mountpoint::is_asked) {
            self.thaw();
        }
    }

    /// Continues the app.
    pub(super) fn thaw(&mut self) {
        if self.freezer.until.take().is_some() {
            // The app could neither answer nor send while it was stopped.
            self.app.forgive(LIMIT);
            let apps = self.apps();
            apps.iter().for_each(|app| signal_group(*app, Signal::SIGCONT));
        }
    }
}

/// Stops the process group of `app`. For a process with several threads the kernel signals one thread, which stops the
/// others when it runs. It may be the one that waits for the filesystem, and the others would continue meanwhile, so
/// each thread is signalled.
fn stop(proc: &Proc, app: Pid) {
    signal_group(app, Signal::SIGSTOP);
    for process in connections::group(proc, app) {
        let threads = proc.threads(process);
        if threads.len() > 1 {
            for thread in threads {
                match signals::signal_thread(process, thread.number, Signal::SIGSTOP) {
                    // It has ended.
                    Ok(()) | Err(_) => {}
                }
            }
        }
    }
}
