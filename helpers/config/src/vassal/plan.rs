//! The plan: everything that a start has to do, as data. `vassal-enter` executes it, `vassalctl` shows it, tests
//! compare it.

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

/// One step, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its phase.
    pub phase: Phase,
    /// The kind of its option, if that is a hook.
    pub kind: Option<HookKind>,
    /// Its action.
    pub action: Action,
    /// The option's name, for messages.
    pub option: Vec<u8>,
    /// The option's value, for messages.
    pub text: Vec<u8>,
    /// Its line; `None` for a step that comes from no line.
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

/// Everything that a start has to do and to know.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The steps before the app, in order.
    pub operations: Vec<Operation>,
    /// The steps after the app has ended.
    pub atexit: Vec<Operation>,
    /// The namespaces that the vassal is cloned into.
    pub namespaces: Namespaces,
    /// Whether the vassal has its own mount namespace in the end, by the clone or by `unshare`.
    pub owns_mounts: bool,
    /// The app's user.
    pub identity: Identity,
    /// Whether the root directory changes, so that user names are looked up in the new one.
    pub changes_root: bool,
    /// The mountpoints to watch.
    pub watch: Vec<Watch>,
    /// The sockets to bind; `entry` is an index into the payload's entries.
    pub listeners: Vec<Listener>,
    /// The settings for all unix sockets among them.
    pub unix: UnixOptions,
    /// Files to be prepared for the app's user, because uWSGI itself opens them.
    pub handed: Vec<Handed>,
    /// The certificates and keys that uWSGI reads; `entry` is an index into the payload's entries.
    pub key_files: Vec<KeyFile>,
    /// The probable reason if the app does not load.
    pub app_hint: Option<String>,
    /// `binsh`: the shells for commands, tried in order before `/bin/sh` (EXE-1).
    pub shells: Vec<Vec<u8>>,
    /// The app's program and its configuration.
    pub payload: Payload,
    /// How it is recognised that the app serves.
    pub ready: Ready,
    /// The longest time between two heartbeats of a uWSGI that sends them.
    pub heartbeat: Duration,
    /// The settings of the section `[vassal]`.
    pub settings: Settings,
}

impl Plan {
    /// Whether a step waits for something that the vassal does not make itself.
    pub fn waits_for_others(&self) -> bool {
        let waits =
            |operation: &Operation| matches!(operation.action, Action::WaitFor(..) | Action::Sleep(_));
        self.operations.iter().any(waits)
    }

    /// Splits the steps into those in the host's namespaces and those in the vassal's.
    pub fn split_emperors(&self) -> (&[Operation], &[Operation]) {
        let is_emperors = |operation: &Operation| operation.phase == Phase::AsEmperor;
        self.operations
            .split_at(self.operations.partition_point(is_emperors))
    }
}
