//! The FUSE control filesystem, /sys/fs/fuse/connections. It is *one* directory for the whole machine, seen from every
//! container: whoever writes here must know that the number is his (the caller checks mountinfo right before).

use crate::error::{Step, SysError};
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::unistd::write;
use std::os::fd::{AsFd, OwnedFd};

/// Opens the directory itself, so that it stays reachable after pivot_root; `None` where fusectl is not mounted.
pub fn connections() -> Option<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open("/sys/fs/fuse/connections", flags, Mode::empty()).ok()
}

/// Ends the connection `number` (the minor of the mount's st_dev): everyone who waits for its daemon is answered
/// ECONNABORTED at once, and the daemon can never answer again.
///
/// # Errors
/// `ENOENT` when the connection is gone, `EROFS` where /sys is read-only, `EACCES` for anyone but root.
pub fn abort(connections: impl AsFd, number: u32) -> Result<(), SysError> {
    let step = || format!("abort FUSE connection {number}");
    let path = format!("{number}/abort");
    let file = openat(
        connections,
        path.as_str(),
        OFlag::O_WRONLY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .step(step)?;
    write(&file, b"1").map(drop).step(step)
}
