//! Finds the mounts of `mountpoint-check` when the app is about to start; the watchdog compares them with what it sees
//! later.

use crate::failure::{AppFailure, Failure, Place};
use nix::errno::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use vassal_config::vassal::plan::Watch;
use vassal_escape::printable;
use vassal_state::handoff::Watched;
use vassal_sys::SysError;
use vassal_sys::error::Context;
use vassal_sys::mountinfo::{self, Mount};
use vassal_sys::mounts::{self, Spot};
use vassal_sys::proc::Proc;
use vassal_sys::reach::{self, Last};

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

/// Finds the mount at each path, without a request to its filesystem. `host_mounts` is the mountinfo of the host.
///
/// # Errors
/// A path that does not exist or is not a mountpoint. There would be no daemon behind it, and a check could only ever
/// find it healthy (MPC-7), so the vassal does not start.
pub fn resolve(watches: &[Watch], proc: &Proc, host_mounts: &File) -> Result<Vec<Watched>, Failure> {
    let find = |watch| find(watch, proc, host_mounts);
    watches.iter().map(find).collect()
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

fn find(watch: &Watch, proc: &Proc, host_mounts: &File) -> Result<Watched, Failure> {
    let origin = watch.origin.to_string();
    let line = Place::line(&watch.origin, "mountpoint-check");
    let shown = || watch.path.clone();
    let failed = |failure: AppFailure| Failure::from(failure).at(&line);
    let unseen = |error| failed(AppFailure::MountpointUnseen { path: shown(), error });
    let step = || format!("look at '{}'", printable(&watch.path));
    let path = Path::new(OsStr::from_bytes(&watch.path));
    let mount = match reach::place(path, Last::Followed) {
        Err(Errno::ELOOP) => behind_a_link(path, proc, host_mounts)
            .ok_or_else(|| failed(AppFailure::MountpointBehindLink { path: shown() }))?,
        reached => {
            let reached = reached.context(step).map_err(unseen)?;
            let object = reached.object().context(step).map_err(unseen)?;
            let place = mounts::spot(proc, object).map_err(unseen)?;
            mount_at(&place, proc)?.ok_or_else(|| failed(AppFailure::NotAMountpoint { path: shown() }))?
        }
    };
    Ok(Watched { mount, origin })
}

/// The mount at `path`, on the way to which is a link that root alone cannot have made, as all are in a root directory on FUSE. Only a
/// filesystem of the vassal's own: a tenant could have one of the host's watched, and asked as its owner. What else is there is not told,
/// as root finds it in directories that are closed to the tenant.
fn behind_a_link(path: &Path, proc: &Proc, host_mounts: &File) -> Option<Mount> {
    let place = mounts::place(proc, path).ok()?;
    let mount = mount_at(&place, proc).ok()??;
    let of_host = mountinfo::select(host_mounts, |each| each.device() == mount.device()).ok()?;
    of_host.is_empty().then_some(mount)
}
