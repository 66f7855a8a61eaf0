//! Finds the mounts of `mountpoint-check` when the app is about to start; the watchdog compares them with what it sees
//! later.

use crate::failure::{AppFailure, Failure, Place};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use vassal_config::vassal::plan::Watch;
use vassal_state::handoff::Watched;
use vassal_sys::SysError;
use vassal_sys::error::Context;
use vassal_sys::mountinfo::{self, Mount};
use vassal_sys::mounts::{self, Spot};
use vassal_sys::proc::Proc;

/// The device numbers of the FUSE filesystems and overlays in this namespace, which before the first hook are copies of
/// the host's. The host's own table is not used, because a private mount may be unmounted there and still exist here.
///
/// # Errors
/// When proc cannot be read.
pub fn devices(proc: &Proc) -> Result<Vec<(u32, u32)>, SysError> {
    let file = proc.mountinfo()?;
    let mut found = Vec::new();
    mountinfo::visit(file, |mount| {
        if mount.is_fuse() || mount.is_overlay() {
            found.push(mount.device());
        }
    })
    .context(|| "read mountinfo")?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Finds the mount at each path, without a request to its filesystem.
///
/// # Errors
/// A path that does not exist or is not a mountpoint. There would be no daemon behind it, and a check could only ever
/// find it healthy (MPC-7), so the vassal does not start.
pub fn resolve(watches: &[Watch], proc: &Proc) -> Result<Vec<Watched>, Failure> {
    watches.iter().map(|watch| find(watch, proc)).collect()
}

/// The mount whose mountpoint is `place`; `None` if `place` is only a directory on a mount.
///
/// # Errors
/// When proc cannot be read.
pub fn mount_at(place: &Spot, proc: &Proc) -> Result<Option<Mount>, SysError> {
    let file = proc.mountinfo()?;
    let is_there = |mount: &Mount| mount.id == place.mount && mount.mountpoint == place.path;
    let found = mountinfo::select(file, is_there).context(|| "read mountinfo")?;
    Ok(found.into_iter().next())
}

fn find(watch: &Watch, proc: &Proc) -> Result<Watched, Failure> {
    let origin = watch.origin.to_string();
    let line = Place::line(&watch.origin, "mountpoint-check");
    let place = mounts::place(proc, Path::new(OsStr::from_bytes(&watch.path))).map_err(|error| {
        let path = watch.path.clone();
        Failure::from(AppFailure::MountpointUnseen { path, error }).at(&line)
    })?;
    match mount_at(&place, proc)? {
        Some(mount) => Ok(Watched { mount, origin }),
        None => {
            let path = watch.path.clone();
            Err(Failure::from(AppFailure::NotAMountpoint { path }).at(&line))
        }
    }
}
