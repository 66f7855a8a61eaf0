//! Which FUSE daemons are watched for, and whether the app stands still.

use nix::unistd::Pid;
use std::time::Instant;

/// Who is watched for, and whether the app stands still.
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
