//! Lint: a FUSE filesystem without its daemon on the host, where the vassal mounts or watches something. The vassal's
//! copy of it is dead as well, and no user can mount anything over it.

use crate::lints::fuse_commands::fuse_mounts;
use crate::lints::host::Seen;
use crate::lints::scene::{Remark, Scene};
use crate::reading::finding::Finding;
use crate::reading::rule::Rule;
use std::collections::BTreeSet;
use vassal_config::diagnostic::quote;
use vassal_escape::printable;

pub fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let (Some(host), plan) = (scene.host, &scene.vassal.plan) else {
        return Vec::new();
    };
    let mounts = fuse_mounts(&plan.operations).into_iter();
    let mounts = mounts.map(|mount| (mount.mountpoint, mount.operation.origin.as_ref()));
    let watched = plan.watch.iter();
    let watched = watched.map(|watch| (watch.path.clone(), Some(&watch.origin)));
    let mut told = BTreeSet::new();
    let dead = mounts
        .chain(watched)
        .filter(|(path, _)| matches!(host.look(path), Seen::Dead) && told.insert(path.clone()));
    let said = dead.map(|(path, origin)| {
        let message = format!(
            "a FUSE filesystem whose daemon is gone is mounted on {} of this machine",
            quote(&path)
        );
        Remark::warning(
            Rule::DeadMount,
            message,
            format!("umount -l {}", printable(&path)),
        )
        .at(origin, scene)
    });
    said.collect()
}
