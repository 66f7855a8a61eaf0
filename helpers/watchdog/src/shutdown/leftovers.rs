//! What else runs when the app has ended, beside the FUSE daemons and their helpers: it is told to end, and killed at its
//! limit.

use super::signalling::send;
use super::state::{KILL_LIMIT, LEFTOVER_LIMIT, Shutdown};
use crate::processes::tree;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

impl Shutdown<'_> {
    /// The daemons and what they have started, which they may need until they have committed: the ssh of an sshfs, the logger
    /// of a gocryptfs. It mostly ends with its daemon, and never before it.
    pub(super) fn with_helpers(&self, daemons: &[Pid]) -> Vec<Pid> {
        let helpers = tree::descendants(self.proc, &self.processes(), daemons);
        [daemons, &helpers].concat()
    }

    /// Ends all but `spared`.
    pub(super) fn end_others(&self, spared: &[Pid]) {
        let others = || self.processes().into_iter().filter(|pid| !spared.contains(pid));
        for (signal, limit) in [(Signal::SIGTERM, LEFTOVER_LIMIT), (Signal::SIGKILL, KILL_LIMIT)] {
            if others().count() == 0 {
                return;
            }
            others().for_each(|pid| send(pid, signal));
            // SIGTERM ends what stands still only when it goes on.
            others().for_each(|pid| send(pid, Signal::SIGCONT));
            self.reap_until(limit, |_, any_left| !any_left || others().count() == 0);
        }
        self.report_stuck(&others().collect::<Vec<_>>());
    }
}
