//! Traps: what a start does not refuse, but what will not do what is meant. One file for each.

pub mod fuse_commands;
pub mod host;
pub mod mount;
pub mod new_root;
pub mod spelling;
pub mod user;

use crate::lints::host::Host;
use crate::reading::finding::{Finding, Level, place};
use crate::reading::location::Location;
use vassal_config::diagnostic::Origin;
use vassal_config::vassal::read::Vassal;
use vassal_escape::printable;

/// What a trap is looked for in.
#[derive(Debug)]
pub struct Scene<'a> {
    /// What the file means.
    pub vassal: &'a Vassal,
    /// The machine; none when only files count.
    pub host: Option<&'a Host>,
    /// Where the file is.
    pub location: &'a Location,
}

/// Looks for one trap.
type Trap = fn(&Scene<'_>) -> Vec<Finding>;

/// All of them.
const TRAPS: [Trap; 17] = [
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

/// Every trap that `scene` steps into.
pub fn spring(scene: &Scene<'_>) -> Vec<Finding> {
    TRAPS.iter().flat_map(|trap| trap(scene)).collect()
}

/// What a trap says.
struct Said {
    level: Level,
    rule: &'static str,
    message: String,
    hint: String,
}

impl Said {
    /// It will probably not do what is meant.
    fn warning(rule: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Said {
            level: Level::Warning,
            rule,
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// It works here; worth knowing all the same.
    fn note(rule: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Said {
            level: Level::Note,
            ..Said::warning(rule, message, hint)
        }
    }

    /// The finding, at a line or at none.
    fn at(self, origin: Option<&Origin>, scene: &Scene<'_>) -> Finding {
        Finding {
            level: self.level,
            rule: Some(self.rule),
            place: origin.and_then(|origin| place(origin, scene.location)),
            message: printable(self.message.as_bytes()),
            hint: Some(printable(self.hint.as_bytes())),
        }
    }
}
