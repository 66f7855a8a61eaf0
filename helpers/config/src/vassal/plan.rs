//! The plan: what the evaluated file means for a start, as data. `vassal-enter` executes it, `vassalctl` shows it,
//! tests compare it.

use crate::diagnostic::Origin;
use crate::hooks::action::Action;
use crate::hooks::namespaces::Namespaces;
use crate::hooks::phase::{HookKind, Phase};
use crate::users::identity::Identity;
use crate::vassal::address::UnixOptions;
use crate::vassal::key_files::KeyFile;
use crate::vassal::payload::Payload;
use crate::vassal::root_files::Handed;
use crate::vassal::settings::{Ready, Settings};
use crate::vassal::socket::Listener;
use std::time::Duration;

/// A line as meant: one step, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// When it happens.
    pub phase: Phase,
    /// The kind of its option, where that is a hook.
    pub kind: Option<HookKind>,
    /// What happens.
    pub action: Action,
    /// The option's name, for messages.
    pub option: Vec<u8>,
    /// The option's value, for messages.
    pub text: Vec<u8>,
    /// The line it comes from; `None` for a step that no line asks for.
    pub origin: Option<Origin>,
}

/// A mountpoint to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// An absolute path.
    pub path: Vec<u8>,
    /// The line.
    pub origin: Origin,
}

/// Everything a start needs to know.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The steps up to the payload, in order.
    pub operations: Vec<Operation>,
    /// The steps after the payload has ended.
    pub atexit: Vec<Operation>,
    /// What the vassal is cloned into.
    pub namespaces: Namespaces,
    /// Whether its mounts are its own in the end, by the clone or by `unshare`.
    pub owns_mounts: bool,
    /// Who the payload runs as.
    pub identity: Identity,
    /// Whether the root directory changes, so that names of users are those of the new root.
    pub changes_root: bool,
    /// The mountpoints to watch.
    pub watch: Vec<Watch>,
    /// The sockets to bind; `entry` counts in the payload's entries.
    pub listeners: Vec<Listener>,
    /// What counts for those of them that are unix sockets.
    pub unix: UnixOptions,
    /// What is prepared for the app's user, because uWSGI opens it itself.
    pub handed: Vec<Handed>,
    /// The files of certificates and keys that uWSGI reads; `entry` counts in the payload's entries.
    pub key_files: Vec<KeyFile>,
    /// What is probably wrong if the app does not load.
    pub app_hint: Option<String>,
    /// `binsh`: the shells for commands, tried in order before `/bin/sh` (EXE-1).
    pub shells: Vec<Vec<u8>>,
    /// What is started.
    pub payload: Payload,
    /// How it is known that it serves.
    pub ready: Ready,
    /// How long a uWSGI that has sent a heartbeat may go without another one.
    pub heartbeat: Duration,
    /// The settings of the `[vassal]` section.
    pub settings: Settings,
}

impl Plan {
    /// Whether a step waits for something that is not the vassal's to make.
    pub fn waits_for_others(&self) -> bool {
        let waits =
            |operation: &Operation| matches!(operation.action, Action::WaitFor(..) | Action::Sleep(_));
        self.operations.iter().any(waits)
    }

    /// The steps in the host's namespaces, and those in the vassal's.
    pub fn split_emperors(&self) -> (&[Operation], &[Operation]) {
        let is_emperors = |operation: &Operation| operation.phase == Phase::AsEmperor;
        self.operations
            .split_at(self.operations.partition_point(is_emperors))
    }
}
