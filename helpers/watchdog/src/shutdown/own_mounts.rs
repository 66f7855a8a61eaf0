//! The vassal's own mounts, which may be unmounted, and whose FUSE connections may be aborted
//! ([`crate::mountpoints::table`] decides that).

use super::state::Shutdown;
use crate::processes::reaper::{reap, take_signals};
use crate::processes::signalling::warn;
use vassal_sys::SysError;
use vassal_sys::mountinfo::Mount;

impl Shutdown<'_> {
    /// The FUSE mounts that the vassal has made, the last one first, without `/`, which cannot be unmounted and ends
    /// with the namespace.
    pub(super) fn filesystems(&self) -> Vec<Mount> {
        self.own(Mount::is_fuse)
    }

    pub(super) fn own(&self, wanted: impl Fn(&Mount) -> bool) -> Vec<Mount> {
        last_first(self.table.own(self.proc, wanted))
    }

    /// The overlays of the vassal. An overlay keeps the filesystems below it in use, wherever they were mounted.
    pub(super) fn overlays(&self) -> Vec<Mount> {
        let is_wanted = |mount: &Mount| mount.is_overlay() && mount.mountpoint != b"/";
        last_first(self.table.known(self.proc, is_wanted))
    }

    /// The FUSE mounts that do not belong to the vassal.
    pub(super) fn others_fuse(&self) -> Vec<Mount> {
        let mut found = last_first(self.table.look(self.proc, Mount::is_fuse));
        found.retain(|mount| !self.table.is_own(mount));
        found
    }

    /// Aborts the connection of `mount`, if it is a FUSE filesystem and still the vassal's own.
    pub fn abort(&self, mount: &Mount) {
        if !self.table.is_own(mount) || !mount.is_fuse() {
            return;
        }
        let abort = |fusectl| self.table.abort(self.proc, fusectl, mount);
        if let Some(Err(error)) = self.fusectl.map(abort) {
            warn(&error.to_string());
        }
    }

    /// Aborts the connections of all FUSE filesystems of the vassal, so that no process waits for their daemons any
    /// more.
    pub(super) fn abort_filesystems(&self) {
        self.filesystems().iter().for_each(|mount| self.abort(mount));
        take_signals(self.signals);
        reap(self.proc);
    }
}

fn last_first(found: Result<Vec<Mount>, SysError>) -> Vec<Mount> {
    let mut found = found.unwrap_or_else(|error| {
        warn(&error.to_string());
        Vec::new()
    });
    found.reverse();
    found
}
