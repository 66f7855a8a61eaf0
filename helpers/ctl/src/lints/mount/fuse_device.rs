//! Lint: `/dev/fuse` is missing, or users may not open it (SEED-2).

use crate::lints::fuse_commands::fuse_mounts;
use crate::lints::host::Seen;
use crate::lints::scene::{Remark, Scene};
use crate::reading::finding::Finding;
use crate::reading::rule::Rule;
use std::os::unix::fs::MetadataExt;
use vassal_config::hooks::phase::Phase;

/// Readable and writable for all users.
const OPEN_TO_ALL: u32 = 0o006;

pub fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let Some(host) = scene.host else {
        return Vec::new();
    };
    let mounts = fuse_mounts(&scene.vassal.plan.operations);
    let as_user = mounts.iter().find(|mount| mount.operation.phase == Phase::AsUser);
    let said = match host.look(b"/dev/fuse") {
        // An image, which contains no devices.
        Seen::Missing if matches!(host.look(b"/dev/null"), Seen::Missing) => None,
        Seen::Missing => mounts.first().map(|mount| {
            let message = "there is no /dev/fuse on this machine: nothing can be mounted with FUSE";
            (mount, message.to_owned(), "load the module: modprobe fuse")
        }),
        Seen::There(metadata) if metadata.mode() & OPEN_TO_ALL != OPEN_TO_ALL => as_user.map(|mount| {
            let mode = metadata.mode() & 0o777;
            let message = format!("users may not open /dev/fuse, its mode is 0{mode:o}");
            (
                mount,
                message,
                "udev gives it mode 0666; without udev: chmod 0666 /dev/fuse",
            )
        }),
        Seen::There(_) | Seen::Hidden | Seen::Dead => None,
    };
    let found = said.map(|(mount, message, hint)| {
        Remark::warning(Rule::FuseDevice, message, hint).at(mount.operation.origin.as_ref(), scene)
    });
    found.into_iter().collect()
}
