//! A probe of a mountpoint that has not answered yet, and the process that looks at the daemon meanwhile.

use crate::mountpoints::standstill::TICK;
use crate::mountpoints::verdict::{Waiting, judge_state};
use crate::processes::probe::{Attempt, Probe};
use crate::processes::progress::{self, Place};
use std::time::{Duration, Instant};
use vassal_sys::SysError;
use vassal_sys::mountinfo::Mount;
use vassal_sys::proc::Proc;

/// From a probe that could not be sent to the next try.
pub(super) const SEND_AGAIN: Duration = Duration::from_millis(250);

/// A probe that is out.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) probe: Probe,
    pub(super) sent: Instant,
    /// When it is looked at next.
    pub(super) look: Instant,
    /// It was stopped at the last look.
    pub(super) is_stopped: bool,
    /// It was stopped, and was ended for that.
    pub(super) is_ended: bool,
    /// How often its time was over before it ran.
    pub(super) starved: u32,
    /// The process that looks whether the daemon is at work, or when it is sent.
    pub(super) witness: Attempt,
    /// When the daemon was last seen at work while this one was out.
    pub(super) worked: Option<Instant>,
}

impl Pending {
    /// One that was just sent; after `witness` a process is sent to look at the daemon.
    pub(super) fn new(probe: Probe, witness: Duration) -> Self {
        let sent = probe.since;
        Self {
            probe,
            sent,
            look: sent + TICK,
            is_stopped: false,
            is_ended: false,
            starved: 0,
            witness: Attempt::Due(sent + witness),
            worked: None,
        }
    }

    /// Ends it if it is stopped, as it was at the last look: all of a unit that is continued need not go on at once.
    pub(super) fn end_stopped(&mut self, proc: &Proc, now: Instant) {
        if now < self.look {
            return;
        }
        self.look = now + TICK;
        let is_stopped = judge_state(self.probe.state(proc)) == Waiting::Stands;
        if is_stopped && self.is_stopped {
            self.end();
        }
        self.is_stopped = is_stopped;
    }

    pub(super) fn end(&mut self) {
        self.probe.end();
        self.is_ended = true;
    }

    /// Sends a process that looks whether the daemon of `mount` is at work, when it is time.
    pub(super) fn send_witness(
        &mut self,
        place: Place<'_>,
        mount: &Mount,
        limit: Duration,
        now: Instant,
    ) -> Result<(), SysError> {
        if mount.is_fuse() && self.witness.due().is_some_and(|due| due <= now) {
            let witness = Probe::run(|| progress::watch(place, mount.connection(), limit))?;
            self.witness = Attempt::of(witness, now + SEND_AGAIN);
        }
        Ok(())
    }
}
