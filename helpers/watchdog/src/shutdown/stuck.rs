//! Reports processes that not even SIGKILL ends, because they wait for a filesystem that is not the vassal's and that
//! the watchdog must not abort. The kernel keeps the PID namespace until they end, and systemd gives up after its
//! limits. The report says what to do.

use super::state::Shutdown;
use crate::processes::signalling::warn;
use nix::unistd::Pid;
use vassal_escape::printable;
use vassal_sys::fusectl;
use vassal_sys::mountinfo::Mount;

/// The most processes and the most filesystems that are named.
const MOST_NAMED: usize = 8;

impl Shutdown<'_> {
    /// Reports those of `pids` that are left after they were killed and waited for, and the filesystems that they may
    /// wait for.
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
