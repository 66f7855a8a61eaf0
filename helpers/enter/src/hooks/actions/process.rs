//! The actions that change this process: its directories, namespaces and umask. Processes that it starts later inherit
//! the changes.

use crate::failure::Failure;
use crate::files::paths;
use crate::hooks::refusal::{at, describe, no_root, refused};
use crate::hooks::session::Session;
use crate::namespaces;
use nix::sys::stat::{Mode, umask};
use nix::unistd::sethostname;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use vassal_config::hooks::namespaces::Namespaces;
use vassal_sys::error::Context;
use vassal_sys::mounts;

/// chdir(2).
///
/// # Errors
/// As [`paths::change_directory`].
pub fn change_directory(path: &[u8]) -> Result<(), Failure> {
    paths::change_directory(at(path)).map_err(refused)
}

/// umask(2).
///
/// # Errors
/// None; the signature is that of all actions.
pub fn set_umask(mask: u32) -> Result<(), Failure> {
    umask(Mode::from_bits_truncate(mask));
    Ok(())
}

/// sethostname(2).
///
/// # Errors
/// Any error of the kernel.
pub fn set_hostname(name: &[u8]) -> Result<(), Failure> {
    sethostname(OsStr::from_bytes(name))
        .context(|| describe("set the host name", name))
        .map_err(refused)
}

/// unshare(2).
///
/// # Errors
/// Any error of the kernel.
pub fn unshare(namespaces: Namespaces) -> Result<(), Failure> {
    namespaces::leave(namespaces).map_err(Failure::Namespace)
}

/// chroot(2).
///
/// # Errors
/// As [`paths::change_root`].
pub fn change_root(path: &[u8]) -> Result<(), Failure> {
    paths::change_root(at(path)).map_err(no_root)
}

/// pivot_root(2). The old root is kept open, so that it can be checked later whether it is gone.
///
/// # Errors
/// As [`mounts::pivot`].
pub fn pivot_root(new: &[u8], old: &[u8], session: &mut Session<'_>) -> Result<(), Failure> {
    session.old_root = Some(mounts::pivot(session.proc, at(new), at(old)).map_err(no_root)?);
    Ok(())
}
