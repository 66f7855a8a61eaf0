//! Lint: nothing is mounted on the path of a `mountpoint-check` (MPC-7).

use crate::lints::fuse_commands::{commands, is_known};
use crate::lints::new_root::mounted;
use crate::lints::scene::{Remark, Scene};
use crate::reading::finding::Finding;
use crate::reading::rule::Rule;
use vassal_config::diagnostic::quote;
use vassal_config::vassal::plan::{Plan, Watch};

pub fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let plan = &scene.vassal.plan;
    let unmounted = plan
        .watch
        .iter()
        .filter(|watch| !may_be_mounted(watch, plan, scene));
    let said = unmounted.map(|watch| {
        let (message, hint) = match watch.path.as_slice() {
            b"/" => (
                "the host's own root directory is watched, which is never lost".to_owned(),
                "watch what the vassal mounts, or give it a root with pivot_root",
            ),
            path => (
                format!("no hook mounts anything on {}", quote(path)),
                "a start ends with exit code 78 where nothing is mounted; name the path that a hook mounts",
            ),
        };
        Remark::warning(Rule::UnmountedCheck, message, hint).at(Some(&watch.origin), scene)
    });
    said.collect()
}

fn may_be_mounted(watch: &Watch, plan: &Plan, scene: &Scene<'_>) -> bool {
    let path = watch.path.as_slice();
    if mounted(plan).iter().any(|each| each.as_slice() == path) {
        return true;
    }
    // An unknown command may mount anything.
    let mut all = plan.operations.iter().flat_map(commands);
    if all.any(|command| !is_known(&command.program)) {
        return true;
    }
    let is_host = !plan.changes_root && path != b"/";
    is_host && scene.host.is_some_and(|host| host.is_mounted(path))
}
