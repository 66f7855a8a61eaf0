//! What the steps inside the namespaces begin with, and what they lead to.

use crate::environment::Environment;
use crate::handed_over::keys::{Copy, Keys};
use crate::hooks::atexit_record::Record;
use crate::invocation::Invocation;
use crate::sockets::open::Open;
use crate::start_place::Place;
use nix::unistd::Pid;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::SystemTime;
use vassal_config::emperor::settings::Emperor;
use vassal_config::vassal::plan::Plan;
use vassal_config::vassal::read::Vassal;
use vassal_state::handoff::Watched;
use vassal_sys::creds::Credentials;
use vassal_sys::proc::Proc;

/// Everything that was prepared outside.
#[derive(Debug)]
pub struct Prepared<'a> {
    /// What systemd gave.
    pub invocation: &'a Invocation,
    /// What is to be done.
    pub plan: &'a Plan,
    /// The file it comes from.
    pub vassal: &'a Vassal,
    /// When that was read.
    pub loaded: SystemTime,
    /// The emperor's settings.
    pub emperor: &'a Emperor,
    /// The app's user, where it could be found outside.
    pub credentials: Option<Credentials>,
    /// The listening sockets.
    pub sockets: Vec<Open>,
    /// The certificates and keys that the app's user may not read.
    pub key_copies: Vec<Copy>,
    /// The programs that come next, opened before the root directory changes.
    pub programs: Programs,
    /// The host's mountinfo, for the watchdog to tell the host's mounts from the vassal's.
    pub host_mounts: File,
    /// The host's proc, for the watchdog to leave behind what cannot be ended.
    pub host_proc: Proc,
    /// The place among the starts of this moment.
    pub place: Option<Place>,
}

/// The programs of the later steps, which are out of reach by path after pivot_root.
#[derive(Debug)]
pub struct Programs {
    /// vassal-watchdog
    pub watchdog: OwnedFd,
    /// vassal-enter itself, for the atexit hooks.
    pub enter: OwnedFd,
}

/// What the start has led to.
#[derive(Debug)]
pub struct Started<'a> {
    /// The app's process.
    pub payload: Pid,
    /// Its environment, before its as-user hooks.
    pub environment: Environment,
    /// Whom it runs as.
    pub credentials: &'a Credentials,
    /// Its mountpoints.
    pub watched: Vec<Watched>,
    /// The device numbers of FUSE filesystems and overlays that are none of ours.
    pub foreign: Vec<(u32, u32)>,
    /// The atexit hooks; `None` when there are none.
    pub record: Option<Record>,
    /// Whether there are atexit hooks of a vassal that stays root: they may need any of root's capabilities.
    pub has_roots_hooks: bool,
    /// The copies of keys, which a reload renews.
    pub keys: Option<Keys>,
}
