//! What is needed to end a vassal, its limits, and how ended children are reaped meanwhile.

use super::extend_timeout::TimeoutExtension;
use super::signalling::{send, warn};
use crate::mountpoints::table::Table;
use crate::processes::reaper::{Child, Ended, reap_until};
use crate::processes::tree;
use crate::report::Reporter;
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use nix::unistd::Pid;
use std::cell::RefCell;
use std::os::fd::{OwnedFd, RawFd};
use std::time::Duration;
use vassal_state::handoff::Handoff;
use vassal_sys::proc::Proc;

/// From SIGTERM to SIGKILL for background processes that nobody else ends.
pub(super) const LEFTOVER_LIMIT: Duration = Duration::from_secs(2);
/// How long a killed process may take to go: longer only if it waits for a filesystem, which is then cut off.
pub(super) const KILL_LIMIT: Duration = Duration::from_secs(2);
/// After which time a killed process is taken for one that cannot be ended now.
pub(super) const STUCK_LIMIT: Duration = Duration::from_millis(500);
/// How long unmounting may take before the filesystems are cut off.
pub(super) const UNMOUNT_LIMIT: Duration = Duration::from_secs(10);
/// How long a daemon may write back after its filesystem was unmounted: a minute for the largest archives.
pub(super) const COMMIT_LIMIT: Duration = Duration::from_secs(60);

/// What is needed to end a vassal.
#[derive(Debug)]
pub struct Shutdown<'a> {
    /// The vassal.
    pub handoff: &'a Handoff,
    /// A private proc.
    pub proc: &'a Proc,
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
    pub extension: Option<TimeoutExtension<'a>>,
    /// The numbers that the vassal's listening sockets have in the app.
    pub sockets: Vec<RawFd>,
    /// Sends, meanwhile, what there was no room for.
    pub reporter: &'a Reporter,
}

impl Shutdown<'_> {
    pub(super) fn reaped(&self, pid: Pid, limit: Duration) -> bool {
        self.reap_until(limit, |ended, any_left| {
            !any_left || ended.iter().any(|child| child.pid == pid)
        })
    }

    /// How the child `pid` has exited, in time.
    pub(super) fn exit_code(&self, pid: Pid, limit: Duration) -> Option<i32> {
        let mut code = None;
        self.reap_until(limit, |ended, any_left| {
            let ended = ended.iter().find(|child| child.pid == pid);
            code = code.or(ended.and_then(|child| child.how.code()));
            code.is_some() || !any_left
        });
        code
    }

    /// Reaps, and tells of a daemon that has not written back to its end.
    pub(super) fn reap_until(
        &self,
        limit: Duration,
        mut is_over: impl FnMut(&[Child], bool) -> bool,
    ) -> bool {
        reap_until(self.proc, self.signals, limit, |ended, any_left| {
            self.extension.iter().for_each(TimeoutExtension::keep);
            self.reporter.flush();
            for Child { pid, how, name } in ended {
                let is_daemon = self.daemons.borrow().contains(pid);
                self.daemons.borrow_mut().retain(|daemon| daemon != pid);
                if let (true, Some(name), true) = (is_daemon, name, is_bad(*how)) {
                    self.report_end(&format!("{name} {how}"));
                }
            }
            is_over(ended, any_left)
        })
    }

    /// Has everything go on that a signal has stopped: it would not hear what it is told.
    pub(super) fn continue_all(&self) {
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

    pub(super) fn is_gone(&self, pid: &Pid) -> bool {
        tree::has_ended(self.proc, *pid)
    }

    /// A daemon has ended out of order.
    pub(super) fn report_end(&self, end: &str) {
        if self.unsaved.is_empty() {
            warn(end);
        } else {
            let places = self.unsaved.replace('\n', "' or '");
            warn(&format!(
                "{end}: what was written to '{places}' and not saved is lost"
            ));
        }
    }
}

/// SIGTERM is our own, and what libfuse ends with after it is not looked at.
fn is_bad(how: Ended) -> bool {
    match how {
        Ended::Killed(signal) => signal != Signal::SIGTERM,
        Ended::Exited(_) => false,
    }
}
