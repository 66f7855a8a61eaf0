//! Traps: what a start does not refuse, but what will not do what is meant. One file for each.

mod dead_mount;
mod file_directory;
mod foreign_root;
mod fuse_device;
mod low_port;
mod made_by_user;
mod missing_plugin;
mod missing_user;
mod mountpoint_directory;
mod opened_by_user;
mod pivot_without_uid;
mod union_branches;
mod union_deadlock;
mod unknown_option;
mod unknown_section;
mod unmount_at_exit;
mod unmounted_check;
mod written;

use crate::finding::{Finding, Level, place};
use crate::host::Host;
use crate::location::Location;
use vassal_config::diagnostic::{Origin, printable};
use vassal_config::vassal::Vassal;

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
    file_directory::look,
    opened_by_user::look,
    low_port::look,
    made_by_user::look,
    dead_mount::look,
    unknown_option::look,
    unknown_section::look,
    missing_plugin::look,
    missing_user::look,
    foreign_root::look,
    fuse_device::look,
    mountpoint_directory::look,
    unmounted_check::look,
    pivot_without_uid::look,
    union_deadlock::look,
    union_branches::look,
    unmount_at_exit::look,
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
