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

/// By which fraction of the interval a question may be early.
const EARLY: u32 = 8;

/// If a suspected filesystem has not answered a probe after this time, it does not answer at once.
const AT_ONCE: Duration = Duration::from_millis(20);

/// A watched mountpoint with its probes.
#[derive(Debug)]
pub struct Mountpoint {
    /// The mount that is expected there.
    pub watched: Watched,
    /// How often it is asked.
    pub schedule: Schedule,
    /// Whether it is a FUSE filesystem that the vassal itself has mounted.
    pub is_own: bool,
    /// The call of one of the vassal's processes that it has not answered, if known.
    pub operation: Option<String>,
    out: Option<Pending>,
    /// Processes that observed its daemon and were killed together with their probe, but are not reaped yet.
    dismissed: Vec<Pid>,
    disturbed: Disturbed,
    pace: Pace,
    answered: Option<(Instant, Duration)>,
    due: Instant,
    /// Whether something has happened while a probe was under way; the probe may have been answered before that.
    is_doubted: bool,
    /// Since when no probe could be sent.
    unasked: Option<Instant>,
    /// Whether a thread waits for an answer, so that a verdict may soon be due.
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

    /// Whether it is a FUSE filesystem of the host's.
    pub fn is_hosts(&self) -> bool {
        self.watched.mount.is_fuse() && !self.is_own
    }

    /// Whether data written to it is lost if its daemon dies.
    pub fn may_hold_unsaved(&self) -> bool {
        self.watched.mount.may_hold_unsaved() && self.is_own
    }

    /// Whether it has ever answered.
    pub fn has_answered(&self) -> bool {
        self.answered.is_some()
    }

    /// The time of its last answer, and how long that took.
    pub fn answered(&self) -> Option<(Instant, Duration)> {
        self.answered
    }

    /// The time of its last answer.
    pub fn answered_at(&self) -> Option<Instant> {
        self.answered.map(|(when, _)| when)
    }

    /// The type of its filesystem, for messages.
    pub fn shown_type(&self) -> String {
        shown_type(&self.watched.mount.fstype)
    }

    /// Lets it be probed now, whatever the schedule says, because something has happened that may concern it.
    pub fn ask_now(&mut self) {
        self.due = Instant::now();
        self.is_doubted = self.out.is_some();
    }

    /// Lets it be probed now unless it has answered after `then`, or is being probed.
    pub fn ask_if_silent_since(&mut self, then: Instant) {
        let has_answered = self.answered.is_some_and(|(when, _)| when > then);
        if self.out.is_none() && !has_answered {
            self.due = Instant::now();
            self.is_suspected = true;
        }
    }

    /// Whether a probe has been waiting for an answer for `time`.
    pub fn is_silent_for(&self, time: Duration, proc: &Proc) -> bool {
        let waits =
            |out: &Pending| out.sent.elapsed() >= time && judge_state(out.probe.state(proc)) == Waiting::Asks;
        self.out.as_ref().is_some_and(waits)
    }

    /// Whether no probe could be sent for `time`.
    pub fn is_unasked_for(&self, time: Duration, now: Instant) -> bool {
        let is_over = |since| now.saturating_duration_since(since) >= time;
        self.unasked.is_some_and(is_over)
    }

    /// Whether the daemon does not answer, but was seen moving bytes within the deadline.
    pub fn is_at_work(&self, now: Instant) -> bool {
        let lately = |worked| now.saturating_duration_since(worked) < self.schedule.timeout;
        self.out.as_ref().and_then(|out| out.worked).is_some_and(lately)
    }

    /// Takes the exit code of the process `pid`. Returns whether it was the one that observed the daemon.
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
            // The daemon is at work, so the deadline begins anew; it is observed again in the second half.
            out.probe.since = now;
            out.worked = Some(now);
        }
        out.witness = Attempt::Due(now + self.schedule.timeout / 2);
        true
    }

    /// Whether a probe is under way, or is to be sent now.
    pub fn is_asked(&self) -> bool {
        self.out.is_some() || self.due <= Instant::now()
    }

    /// Whether it may be asked when the watchdog is awake anyway, because most of the cost of a question is the wakeup.
    fn is_due(&self, now: Instant) -> bool {
        now + self.schedule.interval / EARLY >= self.due && now >= self.pace.next()
    }

    /// When [`Mountpoint::tick`] has something to do.
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

    /// The process of the probe that is under way.
    pub fn probe_pid(&self) -> Option<Pid> {
        self.out.as_ref().map(|out| out.probe.pid)
    }

    /// Sends a probe if one is due, or judges the one whose time is over at `now`, the time at which the watchdog woke
    /// up. A standstill after that is noticed only by the next wait.
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
        // A probe that could not run gets the deadline again, but only [`STARVED`] times.
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

    /// Does not count the time `stall`, in which the machine did not run.
    pub fn forgive(&mut self, stall: Duration) {
        self.disturbed.forgive(stall);
        self.unasked.iter_mut().for_each(|since| *since += stall);
        if let Some(out) = &mut self.out {
            out.probe.since += stall;
            out.sent += stall;
            out.worked.iter_mut().for_each(|worked| *worked += stall);
        }
    }

    /// Takes the exit code of the process `pid`, and judges it if that was this mountpoint's probe.
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

    /// Records that a probe sent at `sent` was prevented from asking. Another one is sent, unless there were no others
    /// for a deadline.
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

    /// The mountpoint in the status line: `/app healthy (fuse.fuse-zip, probed 0.4 s ago, 210 us)`.
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

/// The longest filesystem type that is shown completely.
const TYPE_LIMIT: usize = 32;

/// A filesystem's type for the status line. The user who mounts it chooses what follows `fuse.`; so that it cannot look
/// like a part of the sentence, an unusual type is shown in ticks, with `?` for every character that a type normally
/// does not have.
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

/// What the end of a process means for this mountpoint.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// The process was not its probe.
    NotMine,
    /// The filesystem has answered, or the probe has ended without evidence.
    Good,
    /// The filesystem has failed, or nothing is known about it.
    Bad(Verdict),
    /// The probe sent at that time may have reached another filesystem; mountinfo has to be checked. See
    /// [`Reply::Elsewhere`].
    Elsewhere(Instant, Option<Verdict>),
}
