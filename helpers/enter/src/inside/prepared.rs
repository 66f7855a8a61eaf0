//! The input and the result of the steps inside the namespaces.

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

/// What was prepared outside the namespaces.
#[derive(Debug)]
pub struct Prepared<'a> {
    /// What systemd passed to this process.
    pub invocation: &'a Invocation,
    /// What is to be done.
    pub plan: &'a Plan,
    /// The vassal's file, from which the plan was made.
    pub vassal: &'a Vassal,
    /// When the file was read.
    pub loaded: SystemTime,
    /// The emperor's settings.
    pub emperor: &'a Emperor,
    /// The app's credentials, if they could be found out outside.
    pub credentials: Option<Credentials>,
    /// The listening sockets.
    pub sockets: Vec<Open>,
    /// The certificates and keys that the app's user may not read.
    pub key_copies: Vec<Copy>,
    /// The programs of later steps, opened before the root directory changes.
    pub programs: Programs,
    /// The host's mountinfo, with which the watchdog distinguishes the host's mounts from the vassal's.
    pub host_mounts: File,
    /// The host's proc, which the watchdog needs to leave processes behind that cannot be ended.
    pub host_proc: Proc,
    /// The place among the concurrent starts.
    pub place: Option<Place>,
}

/// The programs of later steps: after pivot_root their paths are out of reach.
#[derive(Debug)]
pub struct Programs {
    /// vassal-watchdog
    pub watchdog: OwnedFd,
    /// vassal-enter itself, for the atexit hooks.
    pub enter: OwnedFd,
}

/// The result: a started app.
#[derive(Debug)]
pub struct Started<'a> {
    /// The app's process.
    pub payload: Pid,
    /// Its environment, before its as-user hooks.
    pub environment: Environment,
    /// Its user and groups.
    pub credentials: &'a Credentials,
    /// The watched mountpoints.
    pub watched: Vec<Watched>,
    /// The device numbers of FUSE filesystems and overlays that are not the vassal's.
    pub foreign: Vec<(u32, u32)>,
    /// The atexit hooks, if there are any.
    pub record: Option<Record>,
    /// Whether there are atexit hooks that run as root; these may need any of root's capabilities.
    pub has_roots_hooks: bool,
    /// The copies of keys, for reloads to renew.
    pub keys: Option<Keys>,
}
