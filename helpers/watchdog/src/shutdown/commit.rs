//! The FUSE daemons, which commit what was written only when their filesystems have been unmounted, are waited for.

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
    /// Waits until at most `left` of the daemons are left, which write back meanwhile.
    pub(super) fn wait_for_commit(&self, daemons: &[Pid], left: usize, limit: Duration) {
        // One that stands still would take the whole limit.
        daemons.iter().for_each(|pid| send(*pid, Signal::SIGCONT));
        let is_over = |_: &[Child], any_left: bool| {
            !any_left || daemons.iter().filter(|pid| !self.is_gone(pid)).count() <= left
        };
        if !self.reap_until(limit, is_over) {
            warn_of_loss(limit);
        }
    }

    /// The same for daemons some of which have a mount namespace of their own: their filesystems are mounted there still,
    /// and so is what these stand on. When all that commit by themselves have ended, those that serve are told to end, the
    /// last one first: with its namespace goes what it stands on, whose daemon commits then by itself.
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

    /// The processes that serve a FUSE filesystem: they have /dev/fuse open; or had, and save what was written.
    pub(super) fn fuse_daemons(&self) -> Vec<Pid> {
        let is_known = |pid: &Pid| self.daemons.borrow().contains(pid);
        let serves = |pid: &Pid| is_known(pid) || tree::serves_fuse(self.proc, *pid);
        let daemons: Vec<_> = self.processes().into_iter().filter(serves).collect();
        self.daemons.replace(daemons.clone());
        daemons
    }

    /// Reports a daemon whose end was not seen, as it came with that of the app.
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
