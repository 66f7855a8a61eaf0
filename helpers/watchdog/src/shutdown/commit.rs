//! Waits for the FUSE daemons: they store what was written only when their filesystems have been unmounted.

use super::state::{COMMIT_LIMIT, Shutdown};
use crate::processes::reaper::Child;
use crate::processes::signalling::{send, warn};
use crate::processes::{fuse_daemons, tree};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::Duration;
use vassal_sys::deadline::Deadline;

impl Shutdown<'_> {
    /// Waits until at most `left` of the daemons still run.
    pub(super) fn wait_for_commit(&self, daemons: &[Pid], left: usize, limit: Duration) {
        // A stopped daemon would use up the whole limit.
        daemons.iter().for_each(|pid| send(*pid, Signal::SIGCONT));
        let is_over = |_: &[Child], any_left: bool| {
            !any_left || daemons.iter().filter(|pid| !self.is_gone(pid)).count() <= left
        };
        if !self.reap_until(limit, is_over) {
            warn_of_loss(limit);
        }
    }

    /// Waits for the daemons if some of them have a mount namespace of their own, where their filesystems, and what
    /// these depend on, are still mounted. When all daemons that end by themselves have ended, those that still serve
    /// are told to end, the last one first: with its namespace its mounts go, and daemons of filesystems that were held
    /// by these end by themselves.
    pub(super) fn end_serving(&self, daemons: &[Pid]) {
        let serves = |pid: &Pid| fuse_daemons::serves(self.proc, *pid);
        self.reap_until(COMMIT_LIMIT, |_, _| {
            daemons.iter().all(|pid| self.is_gone(pid) || serves(pid))
        });
        let deadline = Deadline::after(COMMIT_LIMIT);
        for pid in daemons.iter().rev().filter(|pid| serves(pid)) {
            send(*pid, Signal::SIGTERM);
            self.reaped(*pid, deadline.left());
        }
        if !self.reap_until(deadline.left(), |_, _| {
            daemons.iter().all(|pid| self.is_gone(pid))
        }) {
            warn_of_loss(COMMIT_LIMIT);
        }
    }

    /// The processes that serve a FUSE filesystem: those that have /dev/fuse open, and known daemons that have closed
    /// it and still save data.
    pub(super) fn fuse_daemons(&self) -> Vec<Pid> {
        let is_known = |pid: &Pid| self.daemons.borrow().contains(pid);
        let serves = |pid: &Pid| is_known(pid) || tree::serves_fuse(self.proc, *pid);
        let daemons: Vec<_> = self.processes().into_iter().filter(serves).collect();
        self.daemons.replace(daemons.clone());
        daemons
    }

    /// Reports the end of a daemon that was not noticed because the app ended at the same time.
    pub(super) fn report_unseen_end(&self) {
        let is_reaped = |pid: &Pid| kill(*pid, None) == Err(Errno::ESRCH);
        if !self.unsaved.is_empty() && self.daemons.borrow().iter().any(is_reaped) {
            self.report_end("a FUSE daemon has ended, too");
        }
    }
}

fn warn_of_loss(limit: Duration) {
    let limit = limit.as_secs();
    warn(&format!(
        "a FUSE daemon did not end within {limit} s after the unmount: writes may be lost"
    ));
}
