//! What lies at a path, found without a request to the filesystem there.

use crate::descriptors::directory::open_below;
use crate::error::{Context, SysError};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, readlinkat};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use vassal_escape::printable;

/// What lies at a path, without a request to the filesystem there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The path with every symbolic link resolved, as mountinfo writes it.
    pub path: Vec<u8>,
    /// The id of the mount it is on (field 1 of mountinfo).
    pub mount: u32,
}

/// Resolves `path` to the mount it is on through an `O_PATH` descriptor, which no filesystem is asked for: so this
/// answers also for a dead or hung FUSE mount and for one this process may not enter.
///
/// # Errors
/// `ENOENT`, `EACCES` and the like of open(2); `EIO` when proc does not answer as proc(5) says.
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

/// Where `object` is.
///
/// # Errors
/// When proc does not answer.
pub fn spot(proc: impl AsFd + Copy, object: &OwnedFd) -> Result<Spot, SysError> {
    Ok(Spot {
        path: place_of(proc, object).context(|| "read the path of a mount")?,
        mount: mount_of(proc, object)?,
    })
}

/// The id of the mount that `object` is on (field 1 of mountinfo).
///
/// # Errors
/// `EIO` when proc does not answer as proc(5) says.
pub fn mount_of(proc: impl AsFd, object: &OwnedFd) -> Result<u32, SysError> {
    let step = || "read the id of a mount";
    let path = format!("self/fdinfo/{}", object.as_raw_fd());
    let text = std::io::read_to_string(open_below(proc, &path)?).context(step)?;
    let mut lines = text.lines();
    let id = lines.find_map(|line| line.strip_prefix("mnt_id:"));
    let id = id.and_then(|id| id.trim().parse().ok());
    id.ok_or_else(|| SysError::new(step(), Errno::EIO))
}

/// The path of `object`, as mountinfo writes it.
///
/// # Errors
/// When proc does not answer.
pub fn place_of(proc: impl AsFd, object: &OwnedFd) -> nix::Result<Vec<u8>> {
    let path = format!("self/fd/{}", object.as_raw_fd());
    readlinkat(proc, path.as_str()).map(|path| path.as_bytes().to_vec())
}
