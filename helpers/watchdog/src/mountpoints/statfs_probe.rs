//! The probe of a mountpoint: a process that calls statfs(2).

use crate::processes::probe::Probe;
use std::ffi::CString;
use vassal_sys::SysError;
use vassal_sys::mountinfo::Mount;
use vassal_sys::statfs::statfs_as;

/// Sends a process that calls statfs(2) on `mount` as the mount's owner. For anyone else the kernel may answer without
/// asking the daemon, as if all were well (MPC-8). With `allow_other` it asks the daemon for root, too, and then root
/// asks, because a tenant cannot disturb root's process.
///
/// # Errors
/// As [`Probe::send`].
pub fn send(mount: &Mount) -> Result<Option<Probe>, SysError> {
    // A path from mountinfo contains no NUL.
    let path = CString::new(mount.mountpoint.as_slice()).unwrap_or_default();
    Probe::send(|| statfs_as(mount.owner, &path, mount.id))
}
