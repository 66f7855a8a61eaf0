//! The apps beside the one that serves, during an overlapping reload: the next one, which loads, and the previous one,
//! which ends.

use crate::app::readying::Readying;
use crate::app::retiring::Retiring;
use crate::app::running::Running;
use nix::unistd::Pid;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant, SystemTime};

/// The next app, which does not serve yet.
#[derive(Debug)]
pub struct Successor {
    /// The app.
    pub running: Running,
    /// The wait for its readiness.
    pub readying: Readying,
    /// Whether its process has been permitted to execute the app.
    pub is_let_go: bool,
    /// The record for later reloads, if it comes to serve.
    pub record: OwnedFd,
    /// How long it may take to serve.
    pub limit: Duration,
    /// The time by which it has to serve.
    pub end: Instant,
    /// When the reload was requested (after it had read the file).
    pub asked: SystemTime,
    /// The socket for the answer.
    pub answers: OwnedFd,
}

/// The previous app, which is being stopped, and the requester that waits until it takes no more connections.
#[derive(Debug)]
pub struct Predecessor {
    /// The app.
    pub retiring: Retiring,
    /// The requester's socket, and how long it waits at most.
    pub waiting: Option<(OwnedFd, Instant)>,
}

/// The apps beside the one that serves.
#[derive(Debug, Default)]
pub struct Overlap {
    /// The next app.
    pub successor: Option<Successor>,
    /// The app before.
    pub predecessor: Option<Predecessor>,
}

impl Overlap {
    /// Whether only the serving app exists.
    pub fn is_over(&self) -> bool {
        self.successor.is_none() && self.predecessor.is_none()
    }

    /// The next app.
    pub fn next(&self) -> Option<&Running> {
        self.successor.as_ref().map(|successor| &successor.running)
    }

    /// The first processes of the apps that do not serve.
    pub fn pids(&self) -> Vec<Pid> {
        let before = self.predecessor.as_ref().map(|each| each.retiring.running.pid());
        self.next().map(Running::pid).into_iter().chain(before).collect()
    }

    /// Moves the previous app out, if it has not ended.
    pub fn take_retiring(&mut self) -> Option<Retiring> {
        let predecessor = self.predecessor.take();
        predecessor.map(|predecessor| predecessor.retiring)
    }

    /// When something has to be done about them.
    pub fn due(&self) -> Option<Instant> {
        let next = self.successor.iter().flat_map(|next| {
            let ask = next.readying.due(&next.running.app).filter(|_| next.is_let_go);
            ask.into_iter().chain([next.end])
        });
        let before = self.predecessor.iter().flat_map(|before| {
            let wait = before.waiting.as_ref().map(|(_, end)| *end);
            before.retiring.due().into_iter().chain(wait)
        });
        next.chain(before).min()
    }
}
