//! A FUSE daemon has ended: the app stands still while its mountpoints are asked. Each request that it takes meanwhile
//! would get a wrong answer, if a mountpoint is lost, and waits at its socket for the next app instead; if none is lost, the
//! app has stood still for the millisecond that the answers take. Until the app stands still its own requests to the filesystem wait
//! ([`crate::processes::held`]).

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

/// How long an app stands still for mountpoints that do not answer: they may be slow, and are not judged before their
/// deadline. A busy machine may take some hundred milliseconds to answer for one that is lost.
const LIMIT: Duration = Duration::from_secs(1);

impl Vassal {
    /// Takes note of the FUSE daemons: the vassal serves now. Of our children only, of whose ends we are told.
    pub(super) fn know_daemons(&mut self) {
        if self.watches_fuse() || !self.reporter.known_unsaved().is_empty() {
            let serves = |pid: &Pid| tree::serves_fuse(&self.proc, *pid);
            self.freezer.daemons = self.proc.own_children().into_iter().filter(serves).collect();
        }
        if self.watches_fuse() {
            (self.freezer.held, self.freezer.copier) = hold(&self.proc, &self.freezer.daemons);
        }
    }

    /// Reaps; and which of those were FUSE daemons. At the end of one the app stands still before anything else is done, its
    /// connections' end included, which would have the app give wrong answers.
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

    /// The first process of each app that there is: more than one during a reload that overlaps.
    pub(super) fn apps(&self) -> Vec<Pid> {
        let others = self.overlap.pids();
        [self.app.pid()].into_iter().chain(others).collect()
    }

    /// The app does not matter any more, and no FUSE daemon's end is to be waited for by anything else.
    pub(super) fn let_go(&mut self) {
        self.freezer.held.clear();
    }

    /// Has the app stand still.
    pub(super) fn freeze(&self) {
        self.apps().iter().for_each(|app| stop(&self.proc, *app));
    }

    /// Lets the app go on when every mountpoint has answered, or one has taken too long.
    pub(super) fn thaw_in_time(&mut self) {
        let Some(until) = self.freezer.until else { return };
        if until <= Instant::now() || !self.mountpoints.iter().any(Mountpoint::is_asked) {
            self.thaw();
        }
    }

    /// Lets the app go on.
    pub(super) fn thaw(&mut self) {
        if self.freezer.until.take().is_some() {
            // It could not answer, nor send, for as long as it may stand still.
            self.app.forgive(LIMIT);
            let apps = self.apps();
            apps.iter().for_each(|app| signal_group(*app, Signal::SIGCONT));
        }
    }
}

/// Has the process group of `app` stand still. Of a process with several threads the kernel tells one, which stops the others
/// when it runs; until then, and it may be the one that waits for the filesystem, they would go on, so each is told itself.
fn stop(proc: &Proc, app: Pid) {
    signal_group(app, Signal::SIGSTOP);
    for process in connections::group(proc, app) {
        let threads = proc.threads(process);
        if threads.len() > 1 {
            for thread in threads {
                match signals::tell_thread(process, thread.number, Signal::SIGSTOP) {
                    // It has ended.
                    Ok(()) | Err(_) => {}
                }
            }
        }
    }
}
