//! Finds out which mount a path is on, without a request to its filesystem.

use crate::descriptors::directory::open_below;
use crate::error::{Context, SysError};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, readlinkat};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use vassal_escape::printable;

/// An object at a path and its mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The path with every symbolic link resolved, in the form of mountinfo.
    pub path: Vec<u8>,
    /// The id of its mount (field 1 of mountinfo).
    pub mount: u32,
}

/// Resolves `path` through an `O_PATH` descriptor, for which no filesystem is asked. So it works for a dead or hung
/// FUSE mount, too, and for one that this process may not enter.
///
/// # Errors
/// `ENOENT`, `EACCES` and other errors of open(2); `EIO` when proc's content is not as proc(5) says.
pub fn place(proc: impl AsFd + Copy, path: &Path) -> Result<Spot, SysError> {
    let step = || format!("look at '{}'", printable(path.as_os_str().as_bytes()));
    let fd = open(
        path,
        OFlag::O_PATH | OFlag::O_CLOEXEC,
        nix::sys::stat::Mode::empty(),
    )
    .context(step)?;
    spot(proc, &fd)
}

/// The path and the mount of `object`.
///
/// # Errors
/// When proc cannot be read.
pub fn spot(proc: impl AsFd + Copy, object: &OwnedFd) -> Result<Spot, SysError> {
    Ok(Spot {
        path: place_of(proc, object).context(|| "read the path of a mount")?,
        mount: mount_of(proc, object)?,
    })
}

/// The id of the mount of `object` (field 1 of mountinfo).
///
/// # Errors
/// `EIO` when proc's content is not as proc(5) says.
pub fn mount_of(proc: impl AsFd, object: &OwnedFd) -> Result<u32, SysError> {
    let step = || "read the id of a mount";
    let path = format!("self/fdinfo/{}", object.as_raw_fd());
    let text = std::io::read_to_string(open_below(proc, &path)?).context(step)?;
    let mut lines = text.lines();
    let id = lines.find_map(|line| line.strip_prefix("mnt_id:"));
    let id = id.and_then(|id| id.trim().parse().ok());
    id.ok_or_else(|| SysError::new(step(), Errno::EIO))
}

/// The path of `object` in the form of mountinfo.
///
/// # Errors
/// When proc cannot be read.
pub fn place_of(proc: impl AsFd, object: &OwnedFd) -> nix::Result<Vec<u8>> {
    let path = format!("self/fd/{}", object.as_raw_fd());
    readlinkat(proc, path.as_str()).map(|path| path.as_bytes().to_vec())
}
