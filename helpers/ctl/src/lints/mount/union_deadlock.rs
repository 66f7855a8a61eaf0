//! Lint: a union whose daemon depends on its own mount after pivot_root.
//!
//! pivot_root(2) changes the root directory of every process that has the old one, including the daemon. From then on
//! it looks up its branches in the new root, which is its own mount. With `chroot=` it has a root directory that does
//! not change.

use crate::lints::fuse_commands::fuse_mounts;
use crate::lints::new_root::pivot;
use crate::lints::scene::{Remark, Scene};
use crate::reading::finding::Finding;
use crate::reading::rule::Rule;

pub fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let plan = &scene.vassal.plan;
    let Some(new) = pivot(plan) else {
        return Vec::new();
    };
    let mounts = fuse_mounts(&plan.operations);
    let stuck = mounts
        .iter()
        .filter(|mount| mount.is_union() && mount.mountpoint == new && mount.option(b"chroot").is_none());
    let said = stuck.map(|mount| {
        let message =
            "after pivot_root this daemon looks for its branches in its own mount, and waits for itself";
        let hint = match mount.program.as_slice() {
            b"unionfs-fuse" | b"unionfs" => {
                "give it a root of its own: -o chroot=DIR, with branches below DIR"
            }
            _ => "it has no chroot option: use unionfs-fuse with chroot=, or an overlay of the kernel's",
        };
        Remark::warning(Rule::UnionDeadlock, message, hint).at(mount.operation.origin.as_ref(), scene)
    });
    said.collect()
}
