//! Renews the copies of certificates and keys at a reload.

use crate::failure::{AppFailure, Failure};
use crate::handed_over::keys::{collect, line_of, read, write};
use crate::user::{Lookup, resolve};
use nix::fcntl::AtFlags;
use nix::sys::stat::fstatat;
use nix::unistd::{Gid, Uid};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use vassal_config::vassal::key_files::KeyFile;
use vassal_config::vassal::plan::Plan;
use vassal_escape::printable;
use vassal_state::reload_channel::Watchdog;
use vassal_sys::error::Context;
use vassal_sys::proc::Proc;
use vassal_systemd::journal::{Priority, log};

/// Renews the copies of the vassal with this `watchdog`, whose file now means `plan`.
///
/// # Errors
/// A file that the app's user may not read and that was not copied at the start, with its line. uWSGI would exit
/// without it.
pub fn keys(watchdog: &Watchdog, plan: &Plan) -> Result<(), Failure> {
    if plan.key_files.is_empty() {
        return Ok(());
    }
    let proc = Proc::mounted()?;
    refuse_new(watchdog, plan, &proc)?;
    let Some(directory) = watchdog.keys()? else {
        return Ok(());
    };
    let is_named = |path: &[u8]| plan.key_files.iter().any(|file| file.path == path);
    for (path, name) in watchdog.control.copies.iter().filter(|(path, _)| is_named(path)) {
        let Some(content) = read(Path::new(OsStr::from_bytes(path)), &proc)? else {
            let shown = printable(path);
            let message = format!("'{shown}' is gone, or not root's alone any more: the app keeps its copy");
            log(Priority::Warning, &message);
            continue;
        };
        let before = fstatat(&directory, name.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW)
            .context(|| "look at the copy of a key")?;
        let owner = (Uid::from_raw(before.st_uid), Gid::from_raw(before.st_gid));
        write(&directory, name, &content, (Some(owner.0), Some(owner.1)))?;
    }
    Ok(())
}

fn refuse_new(watchdog: &Watchdog, plan: &Plan, proc: &Proc) -> Result<(), Failure> {
    // The user's number in another root directory is unknown here.
    if plan.changes_root {
        return Ok(());
    }
    let copies = &watchdog.control.copies;
    let is_new = |file: &&KeyFile| !copies.iter().any(|(path, _)| *path == file.path);
    let new: Vec<KeyFile> = plan.key_files.iter().filter(is_new).cloned().collect();
    let credentials = resolve(&plan.identity, Lookup::Host, proc)?;
    let closed = collect(&new, Some(&credentials), proc)?;
    match new
        .iter()
        .find(|file| closed.iter().any(|copy| copy.path == file.path))
    {
        None => Ok(()),
        Some(file) => {
            let path = file.path.clone();
            Err(Failure::from(AppFailure::NewKey { path }).at(&line_of(file)))
        }
    }
}
