//! One watched mountpoint: when it is asked, what it last said.

#[cfg(test)]
mod tests;

use crate::mountpoints::disturbed::{Disturbance, Disturbed, Pace, STARVED};
use crate::mountpoints::pending::{Pending, SEND_AGAIN};
use crate::mountpoints::schedule::Schedule;
use crate::mountpoints::standstill::TICK;
use crate::mountpoints::statfs_probe;
use crate::mountpoints::verdict::{Reply, Silence, Verdict, Waiting, judge_answer, judge_state};
use crate::processes::probe::Attempt;
use crate::processes::progress::Place;
use nix::unistd::Pid;
use std::time::{Duration, Instant};
use vassal_escape::printable;
use vassal_state::handoff::Watched;
use vassal_sys::SysError;
use vassal_sys::proc::Proc;
use vassal_systemd::journal::{Priority, log};
use vassal_systemd::status;

/// The part of the interval by which a question may come early.
const EARLY: u32 = 8;

/// After this long a filesystem that is suspected has not answered at once.
const AT_ONCE: Duration = Duration::from_millis(20);

/// A mountpoint and its probes.
#[derive(Debug)]
pub struct Mountpoint {
    /// What is expected there.
    pub watched: Watched,
    /// How often it is asked.
    pub schedule: Schedule,
    /// Whether it is a FUSE filesystem of the vassal's own.
    pub is_own: bool,
    /// The call of one of the vassal's processes that it has left unanswered, if it is known.
    pub operation: Option<String>,
    out: Option<Pending>,
    /// Witnesses that were ended with their probe, and are not yet reaped.
    dismissed: Vec<Pid>,
    disturbed: Disturbed,
    pace: Pace,
    answered: Option<(Instant, Duration)>,
    due: Instant,
    /// Something happened while a probe was out, which may have had its answer before that.
    is_doubted: bool,
    /// Since when no question could be asked.
    unasked: Option<Instant>,
    /// A thread waits for an answer, and a verdict may be due soon.
    is_suspected: bool,
}

impl Mountpoint {
    /// A mountpoint that is asked at once.
    pub fn new(watched: Watched, schedule: Schedule, is_own: bool) -> Self {
        let mut mountpoint = Self {
            watched,
            schedule,
            is_own,
            operation: None,
            out: None,
            dismissed: Vec::new(),
            disturbed: Disturbed::default(),
            pace: Pace::new(schedule.interval),
            answered: None,
            due: Instant::now(),
            is_doubted: false,
            unasked: None,
            is_suspected: false,
        };
        if mountpoint.is_hosts() {
            mountpoint.schedule = schedule.of_host();
        }
        mountpoint
    }

    /// The mountpoint's path for messages.
    pub fn shown_path(&self) -> String {
        printable(&self.watched.mount.mountpoint)
    }

    /// Whether a FUSE daemon of the host's answers for it.
    pub fn is_hosts(&self) -> bool {
        self.watched.mount.is_fuse() && !self.is_own
    }

    /// Whether what was written there is lost with its daemon.
    pub fn may_hold_unsaved(&self) -> bool {
        self.watched.mount.may_hold_unsaved() && self.is_own
    }

    /// Whether it has ever answered.
    pub fn has_answered(&self) -> bool {
        self.answered.is_some()
    }

    /// When it last answered, and how long that took.
    pub fn answered(&self) -> Option<(Instant, Duration)> {
        self.answered
    }

    /// When it last answered.
    pub fn answered_at(&self) -> Option<Instant> {
        self.answered.map(|(when, _)| when)
    }

    /// The type of its filesystem for messages.
    pub fn shown_type(&self) -> String {
        shown_type(&self.watched.mount.fstype)
    }

    /// Has it probed now, whatever the schedule says: something has happened that may concern it.
    pub fn ask_now(&mut self) {
        self.due = Instant::now();
        self.is_doubted = self.out.is_some();
    }

    /// Has it asked unless it has answered lately, which is after `then`, or is being asked.
    pub fn ask_if_silent_since(&mut self, then: Instant) {
        let has_answered = self.answered.is_some_and(|(when, _)| when > then);
        if self.out.is_none() && !has_answered {
            self.due = Instant::now();
            self.is_suspected = true;
        }
    }

    /// Whether a probe has waited for `time` and still does.
    pub fn is_silent_for(&self, time: Duration, proc: &Proc) -> bool {
        let waits =
            |out: &Pending| out.sent.elapsed() >= time && judge_state(out.probe.state(proc)) == Waiting::Asks;
        self.out.as_ref().is_some_and(waits)
    }

    /// Whether for `time` no probe could be sent.
    pub fn is_unasked_for(&self, time: Duration, now: Instant) -> bool {
        let is_over = |since| now.saturating_duration_since(since) >= time;
        self.unasked.is_some_and(is_over)
    }

    /// Whether the daemon answers no request and was seen at work within the deadline.
    pub fn is_at_work(&self, now: Instant) -> bool {
        let lately = |worked| now.saturating_duration_since(worked) < self.schedule.timeout;
        self.out.as_ref().and_then(|out| out.worked).is_some_and(lately)
    }

    /// Takes what process `pid` has seen of the daemon, if that was sent to look at it; whether it was.
    pub fn take_witness(&mut self, pid: Pid, code: Option<i32>, now: Instant) -> bool {
        if let Some(index) = self.dismissed.iter().position(|dismissed| *dismissed == pid) {
            self.dismissed.swap_remove(index);
            return true;
        }
        let is_witness = |out: &&mut Pending| out.witness.is_by(pid);
        let Some(out) = self.out.as_mut().filter(is_witness) else {
            return false;
        };
        if code == Some(1) {
            // The deadline begins anew, and the second half of it is looked at.
            out.probe.since = now;
            out.worked = Some(now);
        }
        out.witness = Attempt::Due(now + self.schedule.timeout / 2);
        true
    }

    /// Whether it is being asked, or is to be now.
    pub fn is_asked(&self) -> bool {
        self.out.is_some() || self.due <= Instant::now()
    }

    /// Whether it may be asked now, when the watchdog is awake anyway: most of what a question costs is the waking.
    fn is_due(&self, now: Instant) -> bool {
        now + self.schedule.interval / EARLY >= self.due && now >= self.pace.next()
    }

    /// When it wants to be looked at again.
    pub fn next(&self) -> Instant {
        match &self.out {
            Some(out) => {
                let over = out.probe.since + self.schedule.timeout;
                let witness = out.witness.due();
                witness
                    .filter(|_| self.watched.mount.is_fuse())
                    .map_or(over, |due| due.min(over))
            }
            None => self.due.max(self.pace.next()),
        }
    }

    /// The process that is out to ask.
    pub fn probe_pid(&self) -> Option<Pid> {
        self.out.as_ref().map(|out| out.probe.pid)
    }

    /// Sends a probe when one is due, or judges the one that has had its time by `now`: the time at which the watchdog
    /// woke up, as what it has slept unasked since then, stopped with all others, is seen by its next wait only.
    ///
    /// # Errors
    /// When no probe can be sent.
    pub fn tick(&mut self, place: Place<'_>, now: Instant) -> Result<Option<Verdict>, SysError> {
        let proc = place.proc;
        let Some(out) = &mut self.out else {
            if self.is_due(Instant::now()) {
                self.send()?;
            }
            return Ok(None);
        };
        out.end_stopped(proc, now);
        out.send_witness(place, &self.watched.mount, self.schedule.timeout, now)?;
        if now.saturating_duration_since(out.probe.since) < self.schedule.timeout {
            return Ok(None);
        }
        match judge_state(out.probe.state(proc)) {
            Waiting::Asks => return Ok(Some(Verdict::Hung(Silence::Probe))),
            Waiting::Stands => out.end(),
            Waiting::Runs => out.starved += 1,
        }
        // It gets the time again in which it could not run, but not for ever.
        out.probe.since = now;
        let is_starved = out.starved >= STARVED;
        Ok(is_starved.then(|| self.starved()))
    }

    fn send(&mut self) -> Result<(), SysError> {
        let probe = statfs_probe::send(&self.watched.mount)?;
        let now = Instant::now();
        if probe.is_none() {
            self.due = now + SEND_AGAIN;
            self.report_unasked();
            self.unasked.get_or_insert(now);
        } else {
            self.pace.take(now);
            self.unasked = None;
        }
        let witness = match std::mem::take(&mut self.is_suspected) {
            true => AT_ONCE,
            false => TICK,
        };
        self.out = probe.map(|probe| Pending::new(probe, witness));
        Ok(())
    }

    fn report_unasked(&self) {
        if self.unasked.is_none() {
            let message = format!(
                "cannot ask {} for its health: there can be no further process (TasksMax=, or no memory), trying again",
                self.shown_path()
            );
            log(Priority::Warning, &message);
        }
    }

    /// Gives a probe that is out the time `stall` again, in which nothing on this machine ran.
    pub fn forgive(&mut self, stall: Duration) {
        self.disturbed.forgive(stall);
        self.unasked.iter_mut().for_each(|since| *since += stall);
        if let Some(out) = &mut self.out {
            out.probe.since += stall;
            out.sent += stall;
            out.worked.iter_mut().for_each(|worked| *worked += stall);
        }
    }

    /// Takes the answer of process `pid`, if that is the probe of this mountpoint.
    pub fn take_answer(&mut self, pid: Pid, code: Option<i32>) -> Answer {
        let Some(out) = self.out.take_if(|out| out.probe.pid == pid) else {
            return Answer::NotMine;
        };
        if let Some(witness) = out.witness.running() {
            witness.end();
            self.dismissed.push(witness.pid);
        }
        let age = out.sent.elapsed();
        let now = Instant::now();
        self.due = if std::mem::take(&mut self.is_doubted) {
            now
        } else {
            now + self.schedule.interval
        };
        match code.map(judge_answer) {
            None if out.is_ended => self.disturb(out.sent, Disturbance::Stopped),
            None => self.disturb(out.sent, Disturbance::Killed),
            Some(Reply::Elsewhere(verdict)) => Answer::Elsewhere(out.sent, verdict),
            Some(Reply::Bad(verdict)) => Answer::Bad(verdict),
            Some(Reply::Healthy) => {
                self.disturbed.forget();
                self.answered = Some((now, age));
                Answer::Good
            }
        }
    }

    /// A probe that was sent at `sent` was kept from asking: another one is sent, unless there was no other for a deadline.
    pub fn disturb(&mut self, sent: Instant, how: Disturbance) -> Answer {
        let now = Instant::now();
        self.disturbed.note(sent);
        self.due = now;
        if let Some(count) = self.disturbed.over(now, self.schedule.timeout) {
            return Answer::Bad(Verdict::Disturbed(count, how));
        }
        if let Some(count) = self.disturbed.take_unreported(now) {
            let path = self.shown_path();
            let what = match count {
                1 => format!("a probe of {path} {how}"),
                count => format!(
                    "{count} probes of {path} were disturbed since that was last told, the last {how}"
                ),
            };
            let origin = &self.watched.origin;
            let reason = "a process of the user whose mount it is can do that";
            log(
                Priority::Warning,
                &format!("{origin}: mountpoint-check: {what} ({reason}), asking again"),
            );
        }
        Answer::Good
    }

    fn starved(&mut self) -> Verdict {
        let sent = self.out.as_ref().map_or_else(Instant::now, |out| out.sent);
        self.disturbed.note(sent);
        let count = self.disturbed.over(Instant::now(), Duration::ZERO);
        Verdict::Disturbed(count.unwrap_or(1), Disturbance::Starved)
    }

    /// The mountpoint in a status line: `/app healthy (fuse.fuse-zip, probed 0.4 s ago, 210 us)`.
    pub fn sentence(&self) -> String {
        let path = self.shown_path();
        let fstype = self.shown_type();
        match self.answered {
            None => status::NOT_PROBED.with(&[("path", &path), ("type", &fstype)]),
            Some((when, took)) => {
                let age = format!("{:.1}", when.elapsed().as_secs_f32());
                let time = took.as_micros();
                status::HEALTHY.with(&[("path", &path), ("type", &fstype), ("age", &age), ("time", &time)])
            }
        }
    }
}

/// The longest type of a filesystem that is shown as it is.
const TYPE_LIMIT: usize = 32;

/// A filesystem's type for a status line. What follows `fuse.` is chosen by the user who mounts it, and is no place for sentences: one
/// that is no plain name is shown in ticks, with everything else in it as `?`.
fn shown_type(fstype: &[u8]) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    let short = &fstype[..fstype.len().min(TYPE_LIMIT)];
    let name: String = short
        .iter()
        .map(|byte| if is_plain(byte) { char::from(*byte) } else { '?' })
        .collect();
    match (fstype.iter().all(is_plain), fstype.len() > TYPE_LIMIT) {
        (true, false) => name,
        (_, false) => format!("'{name}'"),
        (_, true) => format!("'{name}...'"),
    }
}

/// What the end of a process means for a mountpoint.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was not this mountpoint's probe.
    NotMine,
    /// The filesystem answered, or the probe was lost without evidence.
    Good,
    /// The filesystem is not well, or nothing is known of it.
    Bad(Verdict),
    /// The probe that was sent then may have asked another filesystem: mountinfo knows. See [`Reply::Elsewhere`].
    Elsewhere(Instant, Option<Verdict>),
}
