//! What else runs when the app has ended, beside the FUSE daemons: it is told to end, and killed at its limit.

use super::signalling::send;
use super::{Ending, KILL_LIMIT, LEFTOVER_LIMIT};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

impl Ending<'_> {
    pub(super) fn end_others(&self, daemons: &[Pid]) {
        for (signal, limit) in [(Signal::SIGTERM, LEFTOVER_LIMIT), (Signal::SIGKILL, KILL_LIMIT)] {
            let others = || self.processes().into_iter().filter(|pid| !daemons.contains(pid));
            if others().count() == 0 {
                return;
            }
            others().for_each(|pid| send(pid, signal));
            self.reap_until(limit, |_, any_left| !any_left || others().count() == 0);
        }
    }
}
