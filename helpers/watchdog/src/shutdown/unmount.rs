//! The FUSE filesystems are unmounted, and what may stand on them.

use super::signalling::warn;
use super::{Ending, KILL_LIMIT};
use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;
use vassal_sys::clone::{Side, fork};
use vassal_sys::mountinfo::Mount;

/// How many mounts may lie one upon the other before one of them is left to the end of the namespace.
const MOST_LAYERS: usize = 4;

impl Ending<'_> {
    pub(super) fn unmount(&self, filesystems: &[Mount], limit: Duration) {
        if filesystems.is_empty() {
            return;
        }
        // In a process of its own, because a path on a hung filesystem may be part of it.
        match fork() {
            Err(error) => warn(&format!("cannot unmount: {error}")),
            Ok(Side::Child) => {
                // The path of one that is covered leads to what covers it.
                for _ in 0..MOST_LAYERS {
                    self.overlays().iter().for_each(unmount_one);
                }
                filesystems.iter().for_each(unmount_one);
                std::process::exit(0)
            }
            Ok(Side::Parent(pid)) => {
                if !self.reaped(pid, limit) {
                    self.abort_filesystems();
                    self.reaped(pid, KILL_LIMIT);
                }
            }
        }
    }
}

fn unmount_one(mount: &Mount) {
    let path = Path::new(OsStr::from_bytes(&mount.mountpoint));
    let gone = umount2(path, MntFlags::UMOUNT_NOFOLLOW);
    // Busy: something that has no process holds it. Out of sight it goes as soon as that is over.
    let gone = gone.or_else(|_| umount2(path, MntFlags::UMOUNT_NOFOLLOW | MntFlags::MNT_DETACH));
    if let Err(errno) = gone {
        if errno != Errno::EINVAL {
            warn(&format!("cannot unmount '{}': {}", path.display(), errno.desc()));
        }
    }
}
