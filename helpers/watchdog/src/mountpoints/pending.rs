//! A probe that has not been answered yet, and the process that meanwhile observes the daemon.

use crate::mountpoints::standstill::TICK;
use crate::mountpoints::verdict::{Waiting, judge_state};
use crate::processes::probe::{Attempt, Probe};
use crate::processes::progress::{self, Place};
use std::time::{Duration, Instant};
use vassal_sys::SysError;
use vassal_sys::mountinfo::Mount;
use vassal_sys::proc::Proc;

/// The time from a probe that could not be sent to the next attempt.
pub(super) const SEND_AGAIN: Duration = Duration::from_millis(250);

/// A probe that is under way.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) probe: Probe,
    pub(super) sent: Instant,
    /// When its state is checked next.
    pub(super) look: Instant,
    /// Whether it was stopped at the last check.
    pub(super) is_stopped: bool,
    /// Whether it was killed because it was stopped.
    pub(super) is_ended: bool,
    /// How often its deadline was over before it had run.
    pub(super) starved: u32,
    /// The process that observes whether the daemon is at work, or when it is to be sent.
    pub(super) witness: Attempt,
    /// When the daemon was last seen at work during this probe.
    pub(super) worked: Option<Instant>,
}

impl Pending {
    /// A probe that was just sent. After the time `witness` a process is sent that observes the daemon.
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

    /// Kills the probe if it is stopped and was so at the last check: when a whole unit is continued, its processes
    /// need not continue all at once.
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

    /// Sends the process that observes whether the daemon of `mount` is at work, if that is due.
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
