//! Saves data when a vassal is lost: before systemd kills everything, its other filesystems are unmounted.

use super::state::{KILL_LIMIT, Shutdown};
use crate::mountpoints::statfs_probe;
use crate::processes::signalling::send;
use nix::sys::signal::Signal;
use std::time::Duration;
use vassal_sys::fusectl;
use vassal_sys::mountinfo::Mount;

/// How long unmounting the other filesystems may take; the vassal's clients wait meanwhile.
const RESCUE_UNMOUNT_LIMIT: Duration = Duration::from_secs(2);
/// How long their daemons may take to store what was written.
const RESCUE_COMMIT_LIMIT: Duration = Duration::from_secs(15);
/// How long a daemon may take to answer its pending requests.
const RESCUE_ANSWER_LIMIT: Duration = Duration::from_millis(200);

impl Shutdown<'_> {
    /// Waits for the daemon of a filesystem that was unmounted from outside, which stores what was written now.
    pub fn wait_for_unmounted(&self) {
        let left = self.filesystems().len();
        let daemons = self.daemons.borrow().clone();
        self.wait_for_commit(&daemons, left, RESCUE_COMMIT_LIMIT);
    }

    /// The FUSE filesystems of the vassal except `lost`, the last one first.
    pub fn others(&self, lost: Option<&Mount>) -> Vec<Mount> {
        let is_lost = |mount: &Mount| lost.is_some_and(|lost| lost.device() == mount.device());
        let is_other = |mount: &Mount| mount.mountpoint != b"/" && !is_lost(mount);
        self.own(|mount| mount.is_fuse() && is_other(mount))
    }

    /// Unmounts `others`, so that their daemons store what was written before systemd kills everything.
    pub fn rescue(&self, others: Vec<Mount>) {
        let (others, hung): (Vec<_>, Vec<_>) = others.into_iter().partition(|mount| self.is_idle(mount));
        // Processes that wait for these could not be killed otherwise.
        hung.iter().for_each(|mount| self.abort(mount));
        let daemons = self.fuse_daemons();
        let spared = self.with_helpers(&daemons);
        let writers = || self.processes().into_iter().filter(|pid| !spared.contains(pid));
        writers().for_each(|pid| send(pid, Signal::SIGKILL));
        self.reap_until(KILL_LIMIT, |_, any_left| !any_left || writers().count() == 0);
        if !others.is_empty() {
            self.unmount(&others, RESCUE_UNMOUNT_LIMIT);
            let left = daemons.len().saturating_sub(others.len());
            self.wait_for_commit(&daemons, left, RESCUE_COMMIT_LIMIT);
        }
    }

    /// Whether the daemon of `mount` answers all its requests within a moment. If it does not, it hangs together with
    /// the lost filesystem (one depends on the other), and is not going to store anything.
    fn is_idle(&self, mount: &Mount) -> bool {
        let Some(fusectl) = self.fusectl else {
            return self.answers(mount);
        };
        let has_answered = || fusectl::waiting(fusectl, mount.connection()).is_ok_and(|waiting| waiting == 0);
        let is_quiet = self.reap_until(RESCUE_ANSWER_LIMIT, |_, _| has_answered()) || has_answered();
        // The requests of killed processes are gone by now; what is still waiting will not be answered.
        is_quiet && self.answers(mount)
    }

    fn answers(&self, mount: &Mount) -> bool {
        let Ok(Some(probe)) = statfs_probe::send(mount) else {
            return false;
        };
        self.exit_code(probe.pid, RESCUE_ANSWER_LIMIT) == Some(0)
    }
}
