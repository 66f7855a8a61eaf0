//! The old root directory after pivot_root(2).

use crate::failure::{Failure, HookFailure};
use crate::hooks::refusal::{at, place};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use vassal_config::hooks::action::Action;
use vassal_config::vassal::plan::Operation;
use vassal_sys::mounts;

/// If a hook has unmounted the `old` root, checks that it is really gone: the hook may have unmounted something else,
/// such as a mount that a tenant had put over it.
///
/// # Errors
/// When it is still mounted.
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

/// The path of the old root, as seen from the new one.
fn old_path(steps: &[Operation]) -> Option<PathBuf> {
    steps.iter().find_map(|step| match &step.action {
        Action::PivotRoot(new, old) => Some(Path::new("/").join(at(old).strip_prefix(at(new)).ok()?)),
        _ => None,
    })
}
