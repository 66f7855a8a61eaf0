//! Runs all lints.

use crate::lints::scene::Scene;
use crate::lints::{mount, spelling, user};
use crate::reading::finding::Finding;

/// A lint: looks for one mistake.
type Lint = fn(&Scene<'_>) -> Vec<Finding>;

/// All lints.
const LINTS: [Lint; 17] = [
    user::file_directory::look,
    user::opened_by_user::look,
    user::low_port::look,
    user::made_by_user::look,
    mount::dead_mount::look,
    spelling::unknown_option::look,
    spelling::unknown_section::look,
    spelling::missing_plugin::look,
    user::missing_user::look,
    user::foreign_root::look,
    mount::fuse_device::look,
    mount::mountpoint_directory::look,
    mount::unmounted_check::look,
    user::pivot_without_uid::look,
    mount::union_deadlock::look,
    mount::union_branches::look,
    mount::unmount_at_exit::look,
];

/// Runs the lints on `scene`.
pub fn run(scene: &Scene<'_>) -> Vec<Finding> {
    LINTS.iter().flat_map(|lint| lint(scene)).collect()
}
