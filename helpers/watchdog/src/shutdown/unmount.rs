//! Unmounts the FUSE filesystems and the overlays that may depend on them.

use super::state::{KILL_LIMIT, Shutdown};
use crate::processes::signalling::warn;
use nix::errno::Errno;
use nix::mount::MntFlags;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;
use vassal_sys::clone::{Side, fork_apart};
use vassal_sys::mountinfo::Mount;
use vassal_sys::mounts;
use vassal_sys::reach;

/// How many mounts on one mountpoint are unmounted; a further one is left to the end of the namespace.
const MOST_LAYERS: usize = 4;

/// The exit code of the unmounting process if a filesystem was busy.
const BUSY: i32 = 1;

/// What is left after unmounting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing that is known.
    Nothing,
    /// A filesystem that was detached, and ends when nothing uses it any more.
    Busy,
}

impl Shutdown<'_> {
    pub(super) fn unmount(&self, filesystems: &[Mount], limit: Duration) -> Left {
        if filesystems.is_empty() {
            return Left::Nothing;
        }
        // In a process of its own, because unmounting resolves a path that may lead over a hung filesystem.
        match fork_apart() {
            Err(error) => {
                warn(&format!("cannot unmount: {error}"));
                Left::Nothing
            }
            Ok(Side::Child) => {
                // A path leads to the top mount, so covered ones become reachable only when that is gone.
                for _ in 0..MOST_LAYERS {
                    for overlay in self.overlays() {
                        unmount_one(&overlay);
                    }
                }
                let busy = filesystems
                    .iter()
                    .filter(|mount| unmount_one(mount) == Left::Busy);
                std::process::exit(if busy.count() > 0 { BUSY } else { 0 })
            }
            Ok(Side::Parent(pid)) => match self.exit_code(pid, limit) {
                Some(BUSY) => Left::Busy,
                Some(_) => Left::Nothing,
                None => {
                    self.abort_filesystems();
                    self.reaped(pid, KILL_LIMIT);
                    Left::Nothing
                }
            },
        }
    }
}

fn unmount_one(mount: &Mount) -> Left {
    let path = Path::new(OsStr::from_bytes(&mount.mountpoint));
    // When it was mounted the path contained no link; a link there now is a tenant's.
    let detach = |flags| {
        let place = reach::place_unseen(path)?;
        mounts::detach(place, path, flags).map_err(|error| error.errno)
    };
    let gone = detach(MntFlags::empty());
    let left = match gone {
        Err(Errno::EBUSY) => Left::Busy,
        Ok(()) | Err(_) => Left::Nothing,
    };
    // It is busy: detached, it ends as soon as it is no longer used.
    let gone = gone.or_else(|_| detach(MntFlags::MNT_DETACH));
    if let Err(errno) = gone {
        if errno != Errno::EINVAL {
            warn(&format!("cannot unmount '{}': {}", path.display(), errno.desc()));
        }
    }
    left
}
