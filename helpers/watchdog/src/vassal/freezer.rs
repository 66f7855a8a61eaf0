//! Which FUSE daemons are watched, and whether the app is stopped (SIGSTOP).

use crate::processes::held::Held;
use nix::unistd::Pid;
use std::time::Instant;

/// The FUSE daemons whose end stops the app, and whether it is stopped.
#[derive(Debug, Default)]
pub(super) struct Freezer {
    /// The FUSE daemons of a vassal that serves. Known before they end, as proc tells nothing of the dead.
    pub(super) daemons: Vec<Pid>,
    /// Their connections, which end when they are let go.
    pub(super) held: Vec<Held>,
    /// The process that has made those copies, until it has ended.
    pub(super) copier: Option<Pid>,
    /// Until when the app stands still at most.
    pub(super) until: Option<Instant>,
}

impl Freezer {
    /// The FUSE daemons that have not ended, as far as is known.
    pub(super) fn daemons(&self) -> &[Pid] {
        &self.daemons
    }

    /// Whether process `pid`, which has ended, has made the copies.
    pub(super) fn take_copier(&mut self, pid: Pid) -> bool {
        self.copier.take_if(|copier| *copier == pid).is_some()
    }

    /// When the app is to go on.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }
}
