//! Lint: the branches of a unionfs-fuse do not exist, or have the wrong order.

use crate::lints::fuse_commands::{FuseMount, fuse_mounts};
use crate::lints::host::{Host, Seen};
use crate::lints::scene::{Remark, Scene};
use crate::reading::finding::Finding;
use crate::reading::rule::Rule;
use vassal_config::diagnostic::quote;
use vassal_escape::printable;

pub fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let mounts = fuse_mounts(&scene.vassal.plan.operations);
    let said = mounts.iter().flat_map(|mount| {
        let all = [order(mount), doubled(mount)].into_iter().flatten();
        let all = all.chain(scene.host.into_iter().flat_map(|host| missing(mount, host)));
        let origin = mount.operation.origin.as_ref();
        all.map(|said| said.at(origin, scene)).collect::<Vec<_>>()
    });
    said.collect()
}

/// The order (measured with unionfs-fuse 1.0): files are copied only to a writable branch above the one that contains
/// them. If the read-only branch comes first, new files are created below it, but files of the base can be neither
/// changed nor removed: EACCES.
fn order(mount: &FuseMount<'_>) -> Option<Remark> {
    let branches = mount.branches();
    let first = branches.first().filter(|first| !first.is_writable)?;
    let writable = branches.iter().find(|branch| branch.is_writable)?;
    if mount.program != b"unionfs-fuse" && mount.program != b"unionfs" {
        return None;
    }
    let message = format!(
        "the read-only branch {} is first: new files can be made, but its own files can neither be changed nor removed",
        quote(&first.written)
    );
    let hint = format!(
        "for copy on write of every file put the writable one first: {}=RW:{}=RO",
        quote(&writable.written).trim_matches('\''),
        quote(&first.written).trim_matches('\'')
    );
    Some(Remark::note(Rule::UnionOrder, message, hint))
}

/// With `chroot=/ns` a branch `/ns/precise` is looked up as `/ns/ns/precise` (SEED-7).
fn doubled(mount: &FuseMount<'_>) -> Option<Remark> {
    let chroot = mount.option(b"chroot")?;
    let below = [chroot, b"/"].concat();
    let branches = mount.branches();
    let branch = branches
        .iter()
        .find(|branch| branch.written.starts_with(&below))?;
    let message = format!(
        "with chroot={} the branch {} is looked for in {}",
        printable(chroot),
        quote(&branch.written),
        quote(&branch.path)
    );
    let hint = "branches are named as they are below the chroot directory";
    Some(Remark::warning(Rule::UnionChroot, message, hint))
}

/// unionfs-fuse creates no branch itself.
fn missing(mount: &FuseMount<'_>, host: &Host) -> Vec<Remark> {
    let branches = mount.branches();
    let missing = branches
        .iter()
        .filter(|branch| matches!(host.look(&branch.path), Seen::Missing));
    let said = missing.map(|branch| {
        let message = format!("the branch {} does not exist", quote(&branch.path));
        let hint = format!("mkdir -p {}", printable(&branch.path));
        Remark::warning(Rule::UnionBranch, message, hint)
    });
    said.collect()
}
