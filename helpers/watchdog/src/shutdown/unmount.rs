//! The FUSE filesystems are unmounted, and what may stand on them.

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

/// How many mounts may lie one upon the other before one of them is left to the end of the namespace.
const MOST_LAYERS: usize = 4;

/// The exit code of the process that unmounts when something was busy.
const BUSY: i32 = 1;

/// What an unmount has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing that is known.
    Nothing,
    /// A filesystem out of sight, which goes when what holds it has ended.
    Busy,
}

impl Shutdown<'_> {
    pub(super) fn unmount(&self, filesystems: &[Mount], limit: Duration) -> Left {
        if filesystems.is_empty() {
            return Left::Nothing;
        }
        // In a process of its own, because a path on a hung filesystem may be part of it.
        match fork_apart() {
            Err(error) => {
                warn(&format!("cannot unmount: {error}"));
                Left::Nothing
            }
            Ok(Side::Child) => {
                // The path of one that is covered leads to what covers it.
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
    // No link has been in it: one that is there now is a tenant's.
    let detach = |flags| {
        let place = reach::place_unseen(path)?;
        mounts::detach(place, path, flags).map_err(|error| error.errno)
    };
    let gone = detach(MntFlags::empty());
    let left = match gone {
        Err(Errno::EBUSY) => Left::Busy,
        Ok(()) | Err(_) => Left::Nothing,
    };
    // Busy: out of sight it goes as soon as that is over.
    let gone = gone.or_else(|_| detach(MntFlags::MNT_DETACH));
    if let Err(errno) = gone {
        if errno != Errno::EINVAL {
            warn(&format!("cannot unmount '{}': {}", path.display(), errno.desc()));
        }
    }
    left
}
