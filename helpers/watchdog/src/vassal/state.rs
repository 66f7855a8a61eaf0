//! The state of a vassal.

use super::freezer::Freezer;
use super::poller::Poller;
use crate::app::readying::Readying;
use crate::app::reload::{Reloads, Sockets};
use crate::app::running::Running;
use crate::app::succession::Overlap;
use crate::app::wind_down::WindDown;
use crate::hang::monitor::Monitor;
use crate::health::Recorder;
use crate::mountpoints::mountpoint::Mountpoint;
use crate::mountpoints::table::Table;
use crate::mountpoints::throttle::Throttle;
use crate::mountpoints::verdict::Verdict;
use crate::processes::reaper::Ended;
use crate::processes::unknown_exits::UnknownExits;
use crate::report::Reporter;
use nix::sys::signalfd::SignalFd;
use std::fs::File;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::time::Instant;
use vassal_state::handoff::Handoff;
use vassal_sys::proc::Proc;

/// The stage of a vassal's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The app does not serve yet, or a mountpoint has not answered yet.
    Starting,
    /// It serves, and systemd has been told, since then.
    Serving { since: Instant, settled: bool },
}

/// Whether the main loop continues, or ends with this exit code.
pub(super) type Flow = ControlFlow<u8>;

/// The index of a mountpoint, and the verdict on it.
pub(super) type Loss = (usize, Verdict);

/// The meaning of a child's end.
#[derive(Debug)]
pub(super) enum Meaning {
    /// It was the app's first process.
    AppEnded(Ended),
    /// It shows that a mountpoint is lost.
    Lost(Loss),
}

/// The state of a vassal.
#[derive(Debug)]
pub struct Vassal {
    pub(super) handoff: Handoff,
    pub(super) reporter: Reporter,
    pub(super) health: Recorder,
    pub(super) poller: Poller,
    pub(super) signals: SignalFd,
    /// The mountinfo that is polled for changes of the table.
    pub(super) mountinfo: File,
    pub(super) table: Table,
    /// The host's proc.
    pub(super) host_proc: Proc,
    pub(super) throttle: Throttle,
    /// Until when changes of the table are ignored.
    pub(super) mounts_paused_until: Option<Instant>,
    pub(super) proc: Proc,
    pub(super) fusectl: Option<OwnedFd>,
    pub(super) log: Option<OwnedFd>,
    pub(super) atexit: Option<(OwnedFd, OwnedFd)>,
    /// The app.
    pub(super) app: Running,
    /// The apps beside it, during a reload.
    pub(super) overlap: Overlap,
    pub(super) sockets: Sockets,
    pub(super) reloads: Option<Reloads>,
    pub(super) mountpoints: Vec<Mountpoint>,
    pub(super) monitor: Monitor,
    pub(super) freezer: Freezer,
    pub(super) turnover: Option<WindDown>,
    pub(super) unknown_exits: UnknownExits,
    /// When the last wait ended.
    pub(super) awake: Instant,
    /// The wait for the app's readiness.
    pub(super) readying: Readying,
    pub(super) stage: Stage,
    pub(super) keep_alive_due: Instant,
    /// The place among the concurrent starts (vassal-enter, start/queue.rs).
    pub(super) place: Option<File>,
}
