//! Copies an app's sockets, as far as that is possible in time.

use super::state::Shutdown;
use crate::app::connections::spare;
use crate::processes::copies::ends;
use crate::processes::probe::Probe;
use std::os::fd::OwnedFd;
use std::time::Duration;
use vassal_sys::deadline::Deadline;

/// The limit for copying as many sockets as the watchdog may have open.
const LIMIT: Duration = Duration::from_secs(1);
/// The owner number in the messages; all copies are the app's.
const APP: i32 = 0;

impl Shutdown<'_> {
    /// Runs `find` in a process that can be abandoned, and returns the descriptors that it finds; none if no process
    /// can be forked now, or it is lost.
    pub(super) fn copies(&self, find: impl FnOnce() -> Vec<OwnedFd>) -> Vec<OwnedFd> {
        let Ok((giver, taker)) = ends() else {
            return Vec::new();
        };
        let give = || giver.give(APP, &find()).and_then(|()| giver.end());
        let Ok(Some(probe)) = Probe::run(|| i32::from(give().is_err())) else {
            return Vec::new();
        };
        drop(giver);
        // Reserves descriptors for later steps.
        let _spare = spare(self.proc);
        let batches = taker.batches(Deadline::after(LIMIT));
        let copies = batches.flat_map(|(_, copies)| copies).collect();
        probe.end();
        copies
    }
}
