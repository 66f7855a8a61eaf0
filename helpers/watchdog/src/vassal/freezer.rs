//! Which FUSE daemons are observed, and whether the app is stopped (SIGSTOP).

use crate::processes::held::Held;
use nix::unistd::Pid;
use std::time::Instant;

/// The FUSE daemons whose end stops the app, and until when it is stopped.
#[derive(Debug, Default)]
pub(super) struct Freezer {
    /// The FUSE daemons of a serving vassal. They have to be known before they end, because proc shows nothing of ended
    /// processes.
    pub(super) daemons: Vec<Pid>,
    /// Copies of their connections; a connection ends when its copy is closed.
    pub(super) held: Vec<Held>,
    /// The process that has made the copies, until it has ended.
    pub(super) copier: Option<Pid>,
    /// While the app is stopped, the time at which it is continued at the latest.
    pub(super) until: Option<Instant>,
}

impl Freezer {
    /// The FUSE daemons that have not ended as far as is known.
    pub(super) fn daemons(&self) -> &[Pid] {
        &self.daemons
    }

    /// Takes the end of the process `pid`. Returns whether it has made the copies.
    pub(super) fn take_copier(&mut self, pid: Pid) -> bool {
        self.copier.take_if(|copier| *copier == pid).is_some()
    }

    /// While the app is stopped, the time at which it is continued at the latest.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }
}
