//! The actions on paths. As root each goes through descriptors and follows only links that nobody but root can have
//! made ([`vassal_sys::reach`]); as the vassal's user it is left to the kernel's own checks.

use crate::files::safe_open::{object, place, refuse_shared};
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat, fstat, mkdirat};
use nix::unistd::{
    Gid, Uid, UnlinkatFlags, chdir, chroot, fchdir, fchownat, geteuid, mkdir, unlink, unlinkat,
};
use std::fs::{Permissions, metadata, set_permissions};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use vassal_escape::printable;
use vassal_sys::SysError;
use vassal_sys::error::Context;
use vassal_sys::proc::Proc;
use vassal_sys::reach::Last;

fn describe(verb: &str, path: &Path) -> String {
    format!("{verb} '{}'", printable(path.as_os_str().as_bytes()))
}

/// chdir(2).
///
/// # Errors
/// Any error of the kernel; `ELOOP` for a link that is not root's.
pub fn change_directory(path: &Path) -> Result<(), SysError> {
    let step = || describe("change to directory", path);
    if !geteuid().is_root() {
        return chdir(path).context(step);
    }
    fchdir(object(path, step)?).context(step)
}

/// mkdir(2) with mode 0777 less the umask.
///
/// # Errors
/// As [`change_directory`].
pub fn make_directory(path: &Path) -> Result<(), SysError> {
    let step = || describe("make directory", path);
    let mode = Mode::from_bits_truncate(0o777);
    if !geteuid().is_root() {
        return mkdir(path, mode).context(step);
    }
    let place = place(path, Last::Kept, step)?;
    if place.object.is_some() {
        return Err(SysError::new(step(), Errno::EEXIST));
    }
    mkdirat(&place.directory, place.name.as_os_str(), mode).context(step)
}

/// unlink(2).
///
/// # Errors
/// As [`change_directory`].
pub fn remove(path: &Path) -> Result<(), SysError> {
    let step = || describe("unlink", path);
    if !geteuid().is_root() {
        return unlink(path).context(step);
    }
    let place = place(path, Last::Kept, step)?;
    unlinkat(
        &place.directory,
        place.name.as_os_str(),
        UnlinkatFlags::NoRemoveDir,
    )
    .context(step)
}

/// chmod(2) to the result of `change`, which gets the present mode. `proc` is a proc of this PID namespace.
///
/// # Errors
/// As [`change_directory`]; `EMLINK` for a file to which others may have given this name.
pub fn change_mode(proc: &Proc, path: &Path, change: impl FnOnce(u32) -> u32) -> Result<(), SysError> {
    let step = || describe("change the mode of", path);
    if !geteuid().is_root() {
        let mode = metadata(path).context(step)?.permissions().mode() & 0o7777;
        return set_permissions(path, Permissions::from_mode(change(mode))).context(step);
    }
    let object = object(path, step)?;
    refuse_shared(&object, path, step)?;
    let mode = change(fstat(&object).context(step)?.st_mode & 0o7777);
    let name = format!("self/fd/{}", object.as_raw_fd());
    let mode = Mode::from_bits_truncate(mode);
    fchmodat(proc, name.as_str(), mode, FchmodatFlags::FollowSymlink).context(step)
}

/// chown(2).
///
/// # Errors
/// As [`change_mode`].
pub fn own(path: &Path, uid: u32, gid: u32) -> Result<(), SysError> {
    let step = || describe("change the owner of", path);
    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    if !geteuid().is_root() {
        return nix::unistd::chown(path, uid, gid).context(step);
    }
    let object = object(path, step)?;
    refuse_shared(&object, path, step)?;
    fchownat(&object, "", uid, gid, AtFlags::AT_EMPTY_PATH).context(step)
}

/// chroot(2), then chdir to the new root: with a working directory outside, the vassal could leave it again.
///
/// # Errors
/// As [`change_directory`].
pub fn change_root(path: &Path) -> Result<(), SysError> {
    let step = || describe("chroot to", path);
    fchdir(object(path, step)?).context(step)?;
    chroot(".").and_then(|()| chdir("/")).context(step)
}
