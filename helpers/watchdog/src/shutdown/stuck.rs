//! What even SIGKILL does not end: a process that waits for a filesystem which is not the vassal's, and which is not for the
//! watchdog to cut off. The kernel does not end the PID namespace before, and systemd gives up after its limits. It is told what
//! to do.

use super::signalling::warn;
use super::state::Shutdown;
use nix::unistd::Pid;
use vassal_escape::printable;
use vassal_sys::fusectl;
use vassal_sys::mountinfo::Mount;

/// How many processes and how many filesystems are named.
const MOST_NAMED: usize = 8;

impl Shutdown<'_> {
    /// Tells what is left of `pids`, which were killed and waited for, and what they may wait for.
    pub(super) fn report_stuck(&self, pids: &[Pid]) {
        let names = pids.iter().filter(|pid| !self.is_gone(pid));
        let names: Vec<_> = names.take(MOST_NAMED).map(|pid| self.name(*pid)).collect();
        if names.is_empty() {
            return;
        }
        let names = names.join(", ");
        let suspects = self.others_fuse();
        let suspects = suspects.iter().filter(|mount| self.has_requests(mount));
        let places: Vec<_> = suspects
            .take(MOST_NAMED)
            .map(|mount| printable(&mount.mountpoint))
            .collect();
        match places.join("' or '") {
            places if places.is_empty() => warn(&format!("SIGKILL does not end {names}")),
            places => warn(&format!(
                "SIGKILL does not end {names}: waiting for the filesystem on '{places}', which the vassal has not mounted; end \
                 its daemon on the host, or umount -f it there"
            )),
        }
    }

    fn name(&self, pid: Pid) -> String {
        printable(self.proc.name(pid).unwrap_or_default().as_bytes())
    }

    fn has_requests(&self, mount: &Mount) -> bool {
        let waiting = self
            .fusectl
            .map(|fusectl| fusectl::waiting(fusectl, mount.connection()));
        waiting.is_some_and(|waiting| waiting.is_ok_and(|waiting| waiting > 0))
    }
}
