//! The root directory that pivot_root(2) has put aside.

use crate::failure::{Failure, HookFailure};
use crate::hooks::refusal::{at, place};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use vassal_config::hooks::action::Action;
use vassal_config::vassal::plan::Operation;
use vassal_sys::mounts;

/// Where a hook has unmounted the `old` root, no other mount may have been in its place, not even one that a tenant had put there.
///
/// # Errors
/// It is still mounted.
pub fn check(steps: &[Operation], old: Option<&OwnedFd>) -> Result<(), Failure> {
    let Some(old) = old else {
        return Ok(());
    };
    let is_asked = |step: &&Operation| match &step.action {
        Action::Umount(target, _) => old_path(steps).as_deref() == Some(at(target)),
        _ => false,
    };
    match steps.iter().find(is_asked) {
        Some(step) if mounts::is_mounted(old) => {
            Err(Failure::from(HookFailure::OldRootMounted).at(&place(step)))
        }
        _ => Ok(()),
    }
}

/// Where the old root is, seen from the new one.
fn old_path(steps: &[Operation]) -> Option<PathBuf> {
    steps.iter().find_map(|step| match &step.action {
        Action::PivotRoot(new, old) => Some(Path::new("/").join(at(old).strip_prefix(at(new)).ok()?)),
        _ => None,
    })
}
