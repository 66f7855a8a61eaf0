//! Ends the processes that remain after the app, except the FUSE daemons and their helpers: they are told to end, and
//! killed at their limit.

use super::state::{KILL_LIMIT, Shutdown};
use crate::app::retiring::LEFTOVER_LIMIT;
use crate::processes::signalling::send;
use crate::processes::tree;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

impl Shutdown<'_> {
    /// The daemons together with the processes that they have started, such as the ssh of an sshfs or the logger of a
    /// gocryptfs. A daemon may need these until it has stored everything; usually they end with it.
    pub(super) fn with_helpers(&self, daemons: &[Pid]) -> Vec<Pid> {
        let helpers = tree::descendants(self.proc, &self.processes(), daemons);
        [daemons, &helpers].concat()
    }

    /// Ends all processes except `spared`.
    pub(super) fn end_others(&self, spared: &[Pid]) {
        let others = || self.processes().into_iter().filter(|pid| !spared.contains(pid));
        for (signal, limit) in [(Signal::SIGTERM, LEFTOVER_LIMIT), (Signal::SIGKILL, KILL_LIMIT)] {
            if others().count() == 0 {
                return;
            }
            others().for_each(|pid| send(pid, signal));
            // A stopped process reacts to SIGTERM only when it is continued.
            others().for_each(|pid| send(pid, Signal::SIGCONT));
            self.reap_until(limit, |_, any_left| !any_left || others().count() == 0);
        }
        self.report_stuck(&others().collect::<Vec<_>>());
    }
}
