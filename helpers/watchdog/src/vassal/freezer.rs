//! Which FUSE daemons are watched, and whether the app is stopped (SIGSTOP).

use nix::unistd::Pid;
use std::time::Instant;

/// The FUSE daemons whose end stops the app, and whether it is stopped.
#[derive(Debug, Default)]
pub(super) struct Freezer {
    /// The FUSE daemons of a vassal that serves. Known before they end, as proc tells nothing of the dead.
    pub(super) daemons: Vec<Pid>,
    /// Until when the app stands still at most.
    pub(super) until: Option<Instant>,
}

impl Freezer {
    /// The FUSE daemons that have not ended, as far as is known.
    pub(super) fn daemons(&self) -> &[Pid] {
        &self.daemons
    }

    /// When the app is to go on.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }
}
