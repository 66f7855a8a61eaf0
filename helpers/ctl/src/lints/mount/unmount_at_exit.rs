//! Lint: something that is mounted before the app is unmounted at exit (EXE-11). Under uWSGI's Emperor the first reload
//! unmounts it for ever.

use crate::lints::fuse_commands::{commands, fuse_mounts};
use crate::lints::scene::{Remark, Scene};
use crate::reading::finding::Finding;
use crate::reading::rule::Rule;

const UNMOUNTERS: [&[u8]; 3] = [b"fusermount", b"fusermount3", b"umount"];

pub fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let plan = &scene.vassal.plan;
    let mounted = fuse_mounts(&plan.operations);
    let unmounts = plan.atexit.iter().filter(|operation| {
        commands(operation).iter().any(|command| {
            let is_mounted = |word: &Vec<u8>| mounted.iter().any(|mount| mount.mountpoint == *word);
            UNMOUNTERS.contains(&command.program.as_slice()) && command.words.iter().any(is_mounted)
        })
    });
    let said = unmounts.map(|operation| {
        let message = "at exit only: under uWSGI's Emperor it runs at a reload too, and nothing mounts again after that";
        let hint = "nothing is to be done here, where a reload runs no such hook; do not reload this file's vassal there";
        Remark::note(Rule::UnmountAtExit, message, hint).at(operation.origin.as_ref(), scene)
    });
    said.collect()
}
