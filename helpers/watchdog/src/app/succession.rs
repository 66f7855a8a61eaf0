//! The apps beside the one that serves, during a reload that overlaps: the next one, which loads, and the one before, which ends.

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
    /// Whether it serves already.
    pub readying: Readying,
    /// Its process waits until it is.
    pub is_let_go: bool,
    /// What the next reload is to find, if it comes to serve.
    pub record: OwnedFd,
    /// How long it may take to serve.
    pub limit: Duration,
    /// When that time is over.
    pub end: Instant,
    /// When it was asked for, after the file had been read.
    pub asked: SystemTime,
    /// Where to say what has become of it.
    pub answers: OwnedFd,
}

/// The app before, which ends; and who waits to hear that it takes no more connections.
#[derive(Debug)]
pub struct Predecessor {
    /// The app.
    pub retiring: Retiring,
    /// Who waits, and until when.
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
    /// Whether there is but the one that serves.
    pub fn is_over(&self) -> bool {
        self.successor.is_none() && self.predecessor.is_none()
    }

    /// The app that loads.
    pub fn next(&self) -> Option<&Running> {
        self.successor.as_ref().map(|successor| &successor.running)
    }

    /// Every first process of an app that is not the one that serves.
    pub fn pids(&self) -> Vec<Pid> {
        let before = self.predecessor.as_ref().map(|each| each.retiring.running.pid());
        self.next().map(Running::pid).into_iter().chain(before).collect()
    }

    /// The app that ends, if it has not.
    pub fn take_retiring(&mut self) -> Option<Retiring> {
        let predecessor = self.predecessor.take();
        predecessor.map(|predecessor| predecessor.retiring)
    }

    /// When something is due.
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
