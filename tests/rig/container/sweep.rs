//! Clearing away after test runs that were killed: their machines died with them, empty directories remain.

use std::fs;
use std::path::{Path, PathBuf};

use crate::container::cgroup;
use crate::failure::Failure;

const STEM: &str = "vassal-machine-";

/// What the names of this process's machines begin with: its pid is in it.
pub(crate) fn prefix() -> String {
    format!("{STEM}{}-", std::process::id())
}

/// Removes the cgroups and directories of processes that are no more.
///
/// # Errors
///
/// When the directories cannot be listed. What cannot be removed is somebody's: it stays.
pub(crate) fn sweep() -> Result<(), Failure> {
    for cgroup in abandoned(&cgroup::own()?)? {
        if cgroup::remove_tree(&cgroup).is_err() {
            eprintln!("'{}' is in use still, ignoring", cgroup.display());
        }
    }
    for directory in abandoned(&std::env::temp_dir())? {
        if let Err(reason) = fs::remove_dir_all(&directory) {
            eprintln!("cannot remove '{}': {reason}, ignoring", directory.display());
        }
    }
    Ok(())
}

fn abandoned(place: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(place).map_err(Failure::file("list", place))?;
    let is_abandoned = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let pid = name.strip_prefix(STEM).and_then(|rest| rest.split('-').next());
        pid.is_some_and(|pid| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists())
    };
    Ok(entries
        .flatten()
        .map(|entry| entry.path())
        .filter(is_abandoned)
        .collect())
}
