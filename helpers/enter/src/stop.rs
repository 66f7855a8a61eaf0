//! systemd's request to stop the vassal while its app does not run yet.

use crate::health;
use nix::sys::signal::{Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::unistd::Pid;
use std::os::fd::{AsFd, BorrowedFd};
use vassal_state::health::Place;
use vassal_sys::error::Context;
use vassal_systemd::journal::{Priority, log};

/// The request, and the other process that has to obey it.
#[derive(Debug)]
pub struct Stop<'a> {
    wish: &'a SignalFd,
    clone: Option<Pid>,
    health: Option<&'a Place>,
}

impl<'a> Stop<'a> {
    /// For the vassal's first process, which also keeps the health record.
    pub fn here(wish: &'a SignalFd, health: Option<&'a Place>) -> Self {
        Self {
            wish,
            clone: None,
            health,
        }
    }

    /// For the process that has cloned `clone`, which systemd may not know yet.
    pub fn for_clone(wish: &'a SignalFd, clone: Pid) -> Self {
        Self {
            wish,
            clone: Some(clone),
            health: None,
        }
    }

    /// The descriptor to wait for.
    pub fn wish(&self) -> BorrowedFd<'_> {
        self.wish.as_fd()
    }

    /// Ends this process. If it is the first one in its namespaces, all processes there end, too; otherwise the clone
    /// is told to end. Nothing has been written yet that could be lost.
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
