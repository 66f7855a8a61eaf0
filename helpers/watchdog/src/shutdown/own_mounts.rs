//! Which mounts are the vassal's own, so that they may be unmounted and their FUSE connections cut off.

use super::Ending;
use super::signalling::warn;
use crate::reaper::{drain, reap};
use vassal_sys::handoff::Handoff;
use vassal_sys::mountinfo::{self, Mount};
use vassal_sys::{fusectl, mounts};

impl Ending<'_> {
    /// The FUSE mounts that the vassal made, the last first; `/` cannot be unmounted and ends with the namespace.
    pub(super) fn filesystems(&self) -> Vec<Mount> {
        self.mounts(|mount| self.is_own_fuse(mount))
    }

    pub(super) fn is_own_fuse(&self, mount: &Mount) -> bool {
        let Handoff {
            owns_mounts, foreign, ..
        } = self.handoff;
        *owns_mounts && mount.is_fuse() && !foreign.contains(&mount.device())
    }

    /// What may stand on those: as long as it is there, they are, wherever they were mounted.
    pub(super) fn overlays(&self) -> Vec<Mount> {
        self.mounts(|mount| mount.fstype == b"overlay" && mount.mountpoint != b"/")
    }

    pub(super) fn mounts(&self, is_wanted: impl Fn(&Mount) -> bool) -> Vec<Mount> {
        if !self.handoff.owns_mounts {
            return Vec::new();
        }
        let file = mounts::open_below(self.proc, "self/mountinfo").ok();
        let all = file.and_then(|file| mountinfo::read(file).ok());
        let wanted = all.into_iter().flatten().filter(is_wanted);
        let mut wanted: Vec<_> = wanted.collect();
        wanted.reverse();
        wanted
    }

    /// Cuts off `mount`, which mountinfo has shown right before.
    pub(super) fn abort(&self, mount: &Mount) {
        if let Some(Err(error)) = self.fusectl.map(|fusectl| fusectl::abort(fusectl, mount.minor)) {
            warn(&error.to_string());
        }
    }

    /// Cuts the vassal's FUSE filesystems off from their daemons, so that nobody waits for them any more. mountinfo
    /// is read right before, so each number is that of a mount which is ours now.
    pub(super) fn abort_filesystems(&self) {
        self.filesystems().iter().for_each(|mount| self.abort(mount));
        drain(self.signals);
        reap(self.proc);
    }
}
