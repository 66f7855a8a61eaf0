//! The mountpoints of `mountpoint-check`, as they are when the app is about to start: what the watchdog will compare
//! with.

use crate::failure::{Failure, Place};
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use vassal_config::plan::Watch;
use vassal_sys::SysError;
use vassal_sys::error::Step;
use vassal_sys::handoff::Watched;
use vassal_sys::mountinfo::{self, Mount};
use vassal_sys::mounts;
use vassal_sys::text::printable;

/// Every mount of this namespace, below the present root directory.
///
/// # Errors
/// When proc does not answer.
pub fn all_mounts(proc: &OwnedFd) -> Result<Vec<Mount>, SysError> {
    let file = mounts::open_below(proc.as_fd(), "self/mountinfo")?;
    mountinfo::read(file).step(|| "read mountinfo")
}

/// The device numbers of the FUSE filesystems in `mountinfo`.
///
/// # Errors
/// When proc does not answer.
pub fn fuse_devices(mountinfo: &File) -> Result<Vec<(u32, u32)>, SysError> {
    let all = mountinfo::read(mountinfo).step(|| "read mountinfo")?;
    Ok(all
        .iter()
        .filter(|mount| mount.is_fuse())
        .map(Mount::device)
        .collect())
}

/// Finds the mount at each path, without a request to its filesystem.
///
/// # Errors
/// A path that does not exist, or is no mountpoint: then no daemon stands behind it, and a check could only say
/// "healthy" (MPC-7), so the vassal does not start.
pub fn resolve(watches: &[Watch], proc: &OwnedFd) -> Result<Vec<Watched>, Failure> {
    let all = if watches.is_empty() {
        Vec::new()
    } else {
        all_mounts(proc)?
    };
    watches.iter().map(|watch| find(watch, &all, proc)).collect()
}

fn find(watch: &Watch, all: &[Mount], proc: &OwnedFd) -> Result<Watched, Failure> {
    let origin = watch.origin.to_string();
    let line = Place::line(&watch.origin, "mountpoint-check");
    let place = mounts::place(proc.as_fd(), Path::new(OsStr::from_bytes(&watch.path)))
        .map_err(|error| Failure::config(format!("mountpoint-check: {error}")).at(&line))?;
    let mount = all
        .iter()
        .find(|mount| mount.id == place.mount && mount.mountpoint == place.path);
    match mount {
        Some(mount) => Ok(Watched {
            mount: mount.clone(),
            origin,
        }),
        None => {
            let shown = printable(&watch.path);
            let message = format!(
                "mountpoint-check: '{shown}' is not a mountpoint (no hook has mounted anything there)"
            );
            Err(Failure::config(message).at(&line))
        }
    }
}
