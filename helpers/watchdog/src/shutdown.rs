//! The end of a vassal, in this order, each step with a limit: the app is asked to stop; what else runs is ended; the
//! as-user-atexit hooks run; the FUSE filesystems are unmounted; their daemons, which commit what was written only
//! now, are waited for. The same whether systemd stops the vassal or the app has ended by itself.

mod app;
mod atexit;
mod commit;
mod leftovers;
mod own_mounts;
mod patience;
mod rescue;
mod stuck;
mod unmount;

use crate::app::reload::Sockets;
use crate::app::retiring::LEFTOVER_LIMIT;
use crate::mountpoints::table::Table;
use crate::processes::reaper::{Child, reap_until};
use crate::processes::signalling::send;
use crate::processes::{fuse_daemons, tree};
use crate::report::Reporter;
use commit::is_bad;
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use nix::unistd::Pid;
pub use patience::Patience;
use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::time::Duration;
use unmount::Left;
use vassal_state::handoff::Handoff;
use vassal_sys::mountinfo::Mount;

/// How long a killed process may take to go: longer only if it waits for a filesystem, which is then cut off.
const KILL_LIMIT: Duration = Duration::from_secs(2);
/// After which time a killed process is taken for one that cannot be ended now.
const STUCK_LIMIT: Duration = Duration::from_millis(500);
/// How long unmounting may take before the filesystems are cut off.
const UNMOUNT_LIMIT: Duration = Duration::from_secs(10);
/// How long a daemon may write back after its filesystem was unmounted: a minute for the largest archives.
const COMMIT_LIMIT: Duration = Duration::from_secs(60);

/// What is needed to end a vassal.
#[derive(Debug)]
pub struct Ending<'a> {
    /// The vassal.
    pub handoff: &'a Handoff,
    /// A private proc.
    pub proc: &'a OwnedFd,
    /// The mounts.
    pub table: &'a Table,
    /// Where signals are read.
    pub signals: &'a SignalFd,
    /// /sys/fs/fuse/connections.
    pub fusectl: Option<&'a OwnedFd>,
    /// The program and the record of the atexit hooks.
    pub atexit: Option<(&'a OwnedFd, &'a OwnedFd)>,
    /// FUSE daemons that have not ended, as far as is known; they write back when their filesystems are unmounted.
    pub daemons: RefCell<Vec<Pid>>,
    /// The mountpoints of those filesystems that may hold what is not saved, one a line.
    pub unsaved: String,
    /// systemd's, where it measures how long this takes.
    pub patience: Option<Patience<'a>>,
    /// The first process of each app: more than one during a reload that overlaps.
    pub apps: Vec<Pid>,
    /// The listening sockets that were bound for them.
    pub sockets: &'a Sockets,
    /// Sends, meanwhile, what there was no room for.
    pub reporter: &'a Reporter,
}

impl Ending<'_> {
    /// Everything after the app.
    pub fn finish(&self) {
        self.kill_apps();
        self.tell_unseen_end();
        let daemons = self.fuse_daemons();
        self.end_others(&self.with_helpers(&daemons));
        self.run_atexit();
        // What stands still answers neither the unmount nor the end.
        self.continue_all();
        let filesystems = self.filesystems();
        let is_below = |mount: &&Mount| mount.mountpoint != b"/";
        let below: Vec<_> = filesystems.iter().filter(is_below).cloned().collect();
        if self.unmount(&below, UNMOUNT_LIMIT) == Left::Busy {
            // By what a daemon has started, as all else has ended.
            self.end_others(&daemons);
        }
        if daemons.iter().any(|pid| fuse_daemons::is_apart(self.proc, *pid)) {
            return self.end_serving(&daemons);
        }
        // What is still mounted is `/`, which goes with its last process: its daemon is told to end, when all others
        // have, as SIGTERM would keep one that is committing from its work.
        let left = self.filesystems().len();
        self.wait_for_commit(&daemons, left, COMMIT_LIMIT);
        if left > 0 {
            daemons.iter().for_each(|pid| send(*pid, Signal::SIGTERM));
            self.wait_for_commit(&daemons, 0, COMMIT_LIMIT);
        }
    }

    fn reaped(&self, pid: Pid, limit: Duration) -> bool {
        self.reap_until(limit, |ended, any_left| {
            !any_left || ended.iter().any(|child| child.pid == pid)
        })
    }

    /// How the child `pid` has exited, in time.
    fn exit_code(&self, pid: Pid, limit: Duration) -> Option<i32> {
        let mut code = None;
        self.reap_until(limit, |ended, any_left| {
            let ended = ended.iter().find(|child| child.pid == pid);
            code = code.or(ended.and_then(|child| child.how.code()));
            code.is_some() || !any_left
        });
        code
    }

    /// Reaps, and tells of a daemon that has not written back to its end.
    fn reap_until(&self, limit: Duration, mut is_over: impl FnMut(&[Child], bool) -> bool) -> bool {
        reap_until(self.proc, self.signals, limit, |ended, any_left| {
            self.patience.iter().for_each(Patience::keep);
            self.reporter.flush();
            for Child { pid, how, name } in ended {
                let is_daemon = self.daemons.borrow().contains(pid);
                self.daemons.borrow_mut().retain(|daemon| daemon != pid);
                if let (true, Some(name), true) = (is_daemon, name, is_bad(*how)) {
                    self.tell_end(&format!("{name} {how}"));
                }
            }
            is_over(ended, any_left)
        })
    }

    /// Has everything go on that a signal has stopped: it would not hear what it is told.
    fn continue_all(&self) {
        let processes = self.processes();
        processes.iter().for_each(|pid| send(*pid, Signal::SIGCONT));
    }

    /// Kills every process; whether all have ended, which those do not that wait for a filesystem of the host's.
    pub fn kill_all(&self) -> bool {
        self.processes()
            .into_iter()
            .for_each(|pid| send(pid, Signal::SIGKILL));
        self.reap_until(STUCK_LIMIT, |_, any_left| {
            !any_left || self.processes().is_empty()
        })
    }

    /// The vassal's processes that have not ended.
    pub fn processes(&self) -> Vec<Pid> {
        let mut processes = tree::all(self.proc, self.handoff.is_init);
        processes.retain(|pid| !self.is_gone(pid));
        processes
    }

    fn is_gone(&self, pid: &Pid) -> bool {
        tree::has_ended(self.proc, *pid)
    }
}
