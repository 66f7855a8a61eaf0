//! The inputs for ending a vassal, its limits, and the reaping of children meanwhile.

use super::extend_timeout::TimeoutExtension;
use crate::app::reload::Sockets;
use crate::mountpoints::table::Table;
use crate::processes::reaper::{Child, Ended, reap_until};
use crate::processes::signalling::{send, warn};
use crate::processes::tree;
use crate::report::Reporter;
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use nix::unistd::Pid;
use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::time::Duration;
use vassal_state::handoff::Handoff;
use vassal_sys::proc::Proc;

/// How long a killed process may take to end. It takes longer only if it waits for a filesystem, whose connection is
/// then aborted.
pub(super) const KILL_LIMIT: Duration = Duration::from_secs(2);
/// After this time a killed process is considered as one that cannot be ended now.
pub(super) const STUCK_LIMIT: Duration = Duration::from_millis(500);
/// How long unmounting may take before the FUSE connections are aborted.
pub(super) const UNMOUNT_LIMIT: Duration = Duration::from_secs(10);
/// How long a daemon may store data after its filesystem was unmounted: the largest archives take a minute.
pub(super) const COMMIT_LIMIT: Duration = Duration::from_secs(60);

/// The inputs for ending a vassal.
#[derive(Debug)]
pub struct Shutdown<'a> {
    /// The vassal's record.
    pub handoff: &'a Handoff,
    /// A private proc.
    pub proc: &'a Proc,
    /// The table of mounts.
    pub table: &'a Table,
    /// The descriptor from which signals are read.
    pub signals: &'a SignalFd,
    /// /sys/fs/fuse/connections.
    pub fusectl: Option<&'a OwnedFd>,
    /// The program and the record of the atexit hooks, if there are any.
    pub atexit: Option<(&'a OwnedFd, &'a OwnedFd)>,
    /// The FUSE daemons that have not ended as far as is known; they store data when their filesystems are unmounted.
    pub daemons: RefCell<Vec<Pid>>,
    /// The mountpoints of filesystems that may hold unsaved data, one a line.
    pub unsaved: String,
    /// Keeps systemd waiting, if one of its clocks runs.
    pub extension: Option<TimeoutExtension<'a>>,
    /// The first process of each app; there are several during an overlapping reload.
    pub apps: Vec<Pid>,
    /// The listening sockets that were bound for the apps.
    pub sockets: &'a Sockets,
    /// Sends unsent messages meanwhile.
    pub reporter: &'a Reporter,
}

impl Shutdown<'_> {
    pub(super) fn reaped(&self, pid: Pid, limit: Duration) -> bool {
        self.reap_until(limit, |ended, any_left| {
            !any_left || ended.iter().any(|child| child.pid == pid)
        })
    }

    /// The exit code of the child `pid`, if it exits within `limit`.
    pub(super) fn exit_code(&self, pid: Pid, limit: Duration) -> Option<i32> {
        let mut code = None;
        self.reap_until(limit, |ended, any_left| {
            let ended = ended.iter().find(|child| child.pid == pid);
            code = code.or(ended.and_then(|child| child.how.code()));
            code.is_some() || !any_left
        });
        code
    }

    /// Reaps children until `is_over`, and reports each daemon that ends without having stored everything.
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

    /// Continues all stopped processes, which would not act on what they are told.
    pub(super) fn continue_all(&self) {
        let processes = self.processes();
        processes.iter().for_each(|pid| send(*pid, Signal::SIGCONT));
    }

    /// Kills all processes. Returns whether all have ended; a process that waits for a filesystem of the host's does
    /// not.
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

    /// Reports that a daemon has ended abnormally.
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

/// SIGTERM is sent by the watchdog itself, and the exit code of libfuse after it does not matter.
fn is_bad(how: Ended) -> bool {
    match how {
        Ended::Killed(signal) => signal != Signal::SIGTERM,
        Ended::Exited(_) => false,
    }
}
