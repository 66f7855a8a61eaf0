//! Copies of the sockets of an app, as far as they can be had in time.

use super::state::Shutdown;
use crate::app::connections::spare;
use crate::processes::copies::ends;
use crate::processes::probe::Probe;
use std::os::fd::OwnedFd;
use std::time::Duration;
use vassal_sys::deadline::Deadline;

/// How long it may take, with as many as the watchdog may have.
const LIMIT: Duration = Duration::from_secs(1);
/// They are all the app's.
const APP: i32 = 0;

impl Shutdown<'_> {
    /// What `find` finds; nothing where there can be no process now, or it is lost.
    pub(super) fn copies(&self, find: impl FnOnce() -> Vec<OwnedFd>) -> Vec<OwnedFd> {
        let Ok((giver, taker)) = ends() else {
            return Vec::new();
        };
        let give = || giver.give(APP, &find()).and_then(|()| giver.end());
        let Ok(Some(probe)) = Probe::run(|| i32::from(give().is_err())) else {
            return Vec::new();
        };
        drop(giver);
        // What comes after needs some, too.
        let _spare = spare(self.proc);
        let batches = taker.batches(Deadline::after(LIMIT));
        let copies = batches.flat_map(|(_, copies)| copies).collect();
        probe.end();
        copies
    }
}
