//! Asks the mountpoints, and combines the answers, the waiting requests and the mount table into verdicts.

use super::state::{Flow, Loss, Vassal};
use crate::hang::attribute::{Attribution, Sources};
use crate::hang::monitor::DOUBTFUL;
use crate::mountpoints::disturbed::{Disturbance, UNASKED};
use crate::mountpoints::mountpoint::{Answer, Mountpoint};
use crate::mountpoints::schedule::raises_event;
use crate::mountpoints::verdict::{Silence, Verdict, concerns, judge_mounts};
use crate::processes::progress::Place;
use std::collections::HashSet;
use std::ops::ControlFlow::{Break, Continue};
use std::time::Instant;
use vassal_sys::mountinfo::Mount;
use vassal_sys::{SysError, mountinfo};

impl Vassal {
    /// Called when the vassal serves and its daemons are final: filesystems whose failure raises an event are from now
    /// on asked seldom, unless the file sets an interval.
    pub(super) fn settle_schedule(&mut self) -> Result<(), SysError> {
        if !self.handoff.interval.is_zero() {
            return Ok(());
        }
        let own = self.table.own(&self.proc, Mount::is_fuse)?;
        let own: HashSet<_> = own.iter().map(Mount::device).collect();
        // If each of them has a daemon that is a child of the watchdog, the kernel reports its end and its stop. Not
        // every kernel tells which daemon serves which filesystem, so the daemons are only counted.
        let are_children = self.fusectl.is_some() && self.freezer.daemons().len() >= own.len();
        for Mountpoint {
            watched,
            schedule,
            is_own,
            ..
        } in &mut self.mountpoints
        {
            if raises_event(&watched.mount, *is_own, are_children) {
                *schedule = schedule.seldom();
            }
        }
        Ok(())
    }

    pub(super) fn look_at_requests(&mut self) -> Result<(), SysError> {
        let (Some(fusectl), true) = (&self.fusectl, self.watches_requests()) else {
            return Ok(());
        };
        let sources = Sources {
            fusectl,
            proc: &self.proc,
            is_init: self.handoff.is_init,
            mountpoints: &self.mountpoints,
        };
        if let Some(since) = self.monitor.tick(sources, self.awake)? {
            let mountpoints = self.mountpoints.iter_mut();
            mountpoints.for_each(|mountpoint| mountpoint.ask_if_silent_since(since));
        }
        Ok(())
    }

    pub(super) fn watches_requests(&self) -> bool {
        self.fusectl.is_some() && self.watches_fuse()
    }

    pub(super) fn watches_fuse(&self) -> bool {
        self.mountpoints.iter().any(|each| each.watched.mount.is_fuse())
    }

    /// Asks the mountpoints that are due. Returns one that has been silent for too long, or that could not be asked for
    /// too long while a process waits for it.
    pub(super) fn ask(&mut self) -> Result<Option<Loss>, SysError> {
        let place = Place {
            proc: &self.proc,
            is_init: self.handoff.is_init,
            fusectl: self.fusectl.as_ref(),
        };
        for (index, mountpoint) in self.mountpoints.iter_mut().enumerate() {
            if let Some(verdict) = mountpoint.tick(place, self.awake)? {
                return Ok(Some((index, verdict)));
            }
            let limit = mountpoint.schedule.timeout * UNASKED;
            if mountpoint.is_unasked_for(limit, self.awake)
                && self.monitor.waits_for(index, limit, self.awake)
            {
                return Ok(Some((index, Verdict::Disturbed(1, Disturbance::Unsent))));
            }
        }
        Ok(None)
    }

    /// A thread has waited for the whole deadline: the filesystem that it waits for hangs. If that is unknown, it is
    /// one that is being asked just now and does not answer either. A filesystem whose daemon is at work is excluded,
    /// because such a daemon answers nothing else meanwhile.
    pub(super) fn judge_attribution(&self, attribution: Attribution) -> Option<Loss> {
        let is_silent = |mountpoint: &Mountpoint| mountpoint.is_silent_for(DOUBTFUL, &self.proc);
        // A mountpoint with a longer deadline than others is judged by its own probe.
        let is_patient = |mountpoint: &Mountpoint| mountpoint.schedule.deadline > self.monitor.deadline();
        let hangs = |mountpoint: &Mountpoint| {
            is_silent(mountpoint) && !mountpoint.is_at_work(self.awake) && !is_patient(mountpoint)
        };
        match attribution {
            Attribution::Nothing => None,
            Attribution::Mountpoint(index) if self.mountpoints[index].is_at_work(self.awake) => None,
            Attribution::Mountpoint(index) => {
                let silence = match is_silent(&self.mountpoints[index]) {
                    true => Silence::Probe,
                    false => Silence::Request(self.mountpoints[index].schedule.deadline),
                };
                Some((index, Verdict::Hung(silence)))
            }
            Attribution::Unnamed => {
                let index = self.mountpoints.iter().position(hangs)?;
                Some((index, Verdict::Hung(Silence::Probe)))
            }
        }
    }

    /// A probe has reached another mount: mountinfo tells what has become of the watched one. If it is still in its
    /// place, `verdict` is the filesystem's answer. Without a `verdict`, the path was changed and changed back, or
    /// leads through a mount that covers a directory above; the probe counts as disturbed.
    pub(super) fn judge_elsewhere(
        &mut self,
        index: usize,
        sent: Instant,
        verdict: Option<Verdict>,
    ) -> Option<Loss> {
        let mountpoint = &mut self.mountpoints[index];
        // Read through a new descriptor: reading the one that is polled would consume the news of other changes.
        let expected = &mountpoint.watched.mount;
        let file = self.proc.mountinfo().ok();
        let now = file.and_then(|file| mountinfo::select(file, |mount| concerns(expected, mount)).ok());
        let moved = now.and_then(|now| judge_mounts(expected, &now));
        let verdict = moved.or(verdict);
        let verdict = verdict.or_else(|| match mountpoint.disturb(sent, Disturbance::LedElsewhere) {
            Answer::Bad(verdict) => Some(verdict),
            Answer::Good | Answer::NotMine | Answer::Elsewhere(..) => None,
        });
        verdict.map(|verdict| (index, verdict))
    }

    pub(super) fn look_at_mounts(&mut self) -> Result<Flow, SysError> {
        let now = self.table.look(&self.proc, |mount| {
            let is_watched = |each: &Mountpoint| concerns(&each.watched.mount, mount);
            self.mountpoints.iter().any(is_watched)
                || mount.may_hold_unsaved() && self.table.may_be_own(mount)
        })?;
        self.note_unsaved(now.iter());
        let judge = |mountpoint: &Mountpoint| judge_mounts(&mountpoint.watched.mount, &now);
        let found = self
            .mountpoints
            .iter()
            .enumerate()
            .find_map(|(index, each)| Some((index, judge(each)?)));
        match found {
            Some((index, verdict)) => self.lost(index, verdict).map(Break),
            None => Ok(Continue(())),
        }
    }
}
