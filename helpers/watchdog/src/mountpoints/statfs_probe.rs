//! The probe of a mountpoint: whether its filesystem answers statfs(2).

use crate::processes::probe::Probe;
use std::ffi::CString;
use vassal_sys::SysError;
use vassal_sys::mountinfo::Mount;
use vassal_sys::statfs::statfs_as;

/// Sends a process that calls statfs(2) on `mount` as its owner: for anyone else the kernel may answer without asking the daemon, and
/// says that all is well (MPC-8). With `allow_other` it does not, and root asks, whose process no tenant can disturb.
///
/// # Errors
/// As [`Probe::send`].
pub fn send(mount: &Mount) -> Result<Option<Probe>, SysError> {
    // What mountinfo names has no zero byte in it.
    let path = CString::new(mount.mountpoint.as_slice()).unwrap_or_default();
    Probe::send(|| statfs_as(mount.owner, &path, mount.id))
}
