//! systemd's wish to stop the vassal before its app runs.

use crate::health;
use nix::sys::signal::{Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::unistd::Pid;
use std::os::fd::{AsFd, BorrowedFd};
use vassal_state::health::Place;
use vassal_sys::error::Context;
use vassal_systemd::journal::{Priority, log};

/// The wish, and the other process that it concerns.
#[derive(Debug)]
pub struct Stop<'a> {
    wish: &'a SignalFd,
    clone: Option<Pid>,
    health: Option<&'a Place>,
}

impl<'a> Stop<'a> {
    /// In the vassal's first process, which keeps its health record.
    pub fn here(wish: &'a SignalFd, health: Option<&'a Place>) -> Self {
        Self {
            wish,
            clone: None,
            health,
        }
    }

    /// In the process that has cloned `clone`: systemd has not known of that one yet.
    pub fn for_clone(wish: &'a SignalFd, clone: Pid) -> Self {
        Self {
            wish,
            clone: Some(clone),
            health: None,
        }
    }

    /// The descriptor to wait on.
    pub fn wish(&self) -> BorrowedFd<'_> {
        self.wish.as_fd()
    }

    /// Ends this process, and with it everything in the namespaces, if it is their first one; else that is told. Nothing has
    /// been written that could be lost.
    pub fn obey(&self) -> ! {
        if let Some(clone) = self.clone {
            if let Err(error) = kill(clone, Signal::SIGTERM).context(|| "pass the wish to stop on") {
                log(Priority::Warning, &error.to_string());
            }
        }
        health::remove(self.health);
        std::process::exit(0)
    }
}
