//! One watched mountpoint: when it is asked, what it last said.

use crate::judge::{Verdict, judge_answer, judge_silence};
use crate::probe::{Probe, Question};
use crate::rhythm::Rhythm;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use vassal_sys::SysError;
use vassal_sys::handoff::Watched;
use vassal_sys::journal::{Priority, line};
use vassal_sys::text::printable;

/// From a question that nobody could be sent out with to the next try.
const SEND_AGAIN: Duration = Duration::from_millis(250);

/// The part of the interval by which a question may come early.
const EARLY: u32 = 8;

/// A mountpoint and its probes.
#[derive(Debug)]
pub struct Mountpoint {
    /// What is expected there.
    pub watched: Watched,
    /// How often it is asked.
    pub rhythm: Rhythm,
    probe: Option<Probe>,
    answered: Option<(Instant, Duration)>,
    due: Instant,
    /// Something happened while a probe was out, which may have had its answer before that.
    is_doubted: bool,
    /// The last question could not be asked.
    is_unasked: bool,
}

impl Mountpoint {
    /// A mountpoint that is asked at once.
    pub fn new(watched: Watched, rhythm: Rhythm) -> Self {
        Self {
            watched,
            rhythm,
            probe: None,
            answered: None,
            due: Instant::now(),
            is_doubted: false,
            is_unasked: false,
        }
    }

    /// The mountpoint's path for messages.
    pub fn shown_path(&self) -> String {
        printable(&self.watched.mount.mountpoint)
    }

    /// Whether it has ever answered.
    pub fn has_answered(&self) -> bool {
        self.answered.is_some()
    }

    /// Has it asked now, whatever the rhythm says: something has happened that may concern it.
    pub fn ask_now(&mut self) {
        self.due = Instant::now();
        self.is_doubted = self.probe.is_some();
    }

    /// Has it asked unless it has answered lately, which is after `then`, or is being asked.
    pub fn ask_if_silent_since(&mut self, then: Instant) {
        let has_answered = self.answered.is_some_and(|(when, _)| when > then);
        if self.probe.is_none() && !has_answered {
            self.due = Instant::now();
        }
    }

    /// Whether somebody who is out to ask has waited for `time` and still does.
    pub fn is_silent_for(&self, time: Duration, proc: &OwnedFd) -> bool {
        let waits = |probe: &Probe| probe.age() >= time && judge_silence(probe.state(proc)).is_some();
        self.probe.as_ref().is_some_and(waits)
    }

    /// Whether it is being asked, or is to be now.
    pub fn is_asked(&self) -> bool {
        self.probe.is_some() || self.due <= Instant::now()
    }

    /// Whether it may be asked now, when the watchdog is awake anyway: most of what a question costs is the waking.
    fn is_due(&self, now: Instant) -> bool {
        now + self.rhythm.interval / EARLY >= self.due
    }

    /// When it wants to be looked at again.
    pub fn next(&self) -> Instant {
        match &self.probe {
            Some(probe) => probe.since + self.rhythm.patience,
            None => self.due,
        }
    }

    /// The process that is out to ask.
    pub fn probe_pid(&self) -> Option<i32> {
        self.probe.as_ref().map(|probe| probe.pid.as_raw())
    }

    /// Sends a probe when one is due, or judges the one that has had its time by `now`: the time at which the watchdog
    /// woke up, as what it has slept unasked since then, stopped with all others, is seen by its next wait only.
    ///
    /// # Errors
    /// When no probe can be sent.
    pub fn tick(&mut self, proc: &OwnedFd, now: Instant) -> Result<Option<Verdict>, SysError> {
        let is_due = self.is_due(Instant::now());
        match &mut self.probe {
            None if is_due => {
                self.probe = Probe::send(Question::Answers(&self.watched.mount))?;
                if self.probe.is_none() {
                    self.due = Instant::now() + SEND_AGAIN;
                    self.tell_unasked();
                }
                self.is_unasked = self.probe.is_none();
                Ok(None)
            }
            Some(probe) if now.saturating_duration_since(probe.since) >= self.rhythm.patience => {
                let verdict = judge_silence(probe.state(proc));
                // No evidence: it gets the time again in which it could not run.
                probe.since = now;
                Ok(verdict)
            }
            None | Some(_) => Ok(None),
        }
    }

    fn tell_unasked(&self) {
        if !self.is_unasked {
            let message = format!(
                "cannot ask {} for its health: there can be no further process (TasksMax=, or no memory), trying again",
                self.shown_path()
            );
            line(Priority::Warning, &message);
        }
    }

    /// Gives a probe that is out the time `stall` again, in which nothing on this machine ran.
    pub fn forgive(&mut self, stall: Duration) {
        if let Some(probe) = &mut self.probe {
            probe.since += stall;
        }
    }

    /// Takes the answer of process `pid`, if that is the probe of this mountpoint.
    pub fn take_answer(&mut self, pid: nix::unistd::Pid, code: Option<i32>) -> Answer {
        if self.probe.as_ref().is_none_or(|probe| probe.pid != pid) {
            return Answer::NotMine;
        }
        let age = self.probe.take().map(|probe| probe.age()).unwrap_or_default();
        let now = Instant::now();
        self.due = if std::mem::take(&mut self.is_doubted) {
            now
        } else {
            now + self.rhythm.interval
        };
        match code.map(judge_answer) {
            // Killed by somebody: no evidence, asked again.
            None => self.due = now,
            Some(Some(verdict)) => return Answer::Bad(verdict),
            Some(None) => self.answered = Some((now, age)),
        }
        Answer::Good
    }

    /// The mountpoint in a status line: `/app healthy (fuse.fuse-zip, probed 0.4 s ago, 210 us)`.
    pub fn sentence(&self) -> String {
        let path = self.shown_path();
        let fstype = shown_type(&self.watched.mount.fstype);
        match self.answered {
            None => format!("{path} not yet probed ({fstype})"),
            Some((when, took)) => {
                let (ago, took) = (when.elapsed().as_secs_f32(), took.as_micros());
                format!("{path} healthy ({fstype}, probed {ago:.1} s ago, {took} us)")
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
    /// The filesystem is not well.
    Bad(Verdict),
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::Pid;
    use vassal_sys::mountinfo::Mount;

    fn mountpoint() -> Mountpoint {
        let mount = Mount {
            id: 1,
            parent: 0,
            major: 0,
            minor: 2,
            mountpoint: b"/app".to_vec(),
            fstype: b"fuse.x".to_vec(),
            owner: (0, 0),
            writable: true,
        };
        let watched = Watched {
            mount,
            origin: "u.ini:10".into(),
        };
        let rhythm = Rhythm {
            interval: Duration::from_secs(1),
            patience: Duration::from_secs(2),
        };
        Mountpoint::new(watched, rhythm)
    }

    #[test]
    fn an_answer_puts_the_next_question_off_by_the_interval() {
        let mut mountpoint = mountpoint();
        mountpoint.probe = Some(Probe {
            pid: Pid::from_raw(77),
            since: Instant::now(),
        });
        assert_eq!(
            mountpoint.take_answer(Pid::from_raw(78), Some(0)),
            Answer::NotMine
        );
        assert_eq!(mountpoint.take_answer(Pid::from_raw(77), Some(0)), Answer::Good);
        assert!(mountpoint.has_answered() && mountpoint.next() > Instant::now());
        assert!(
            mountpoint
                .sentence()
                .starts_with("/app healthy (fuse.x, probed 0.0 s ago, ")
        );
    }

    #[test]
    fn a_type_that_a_user_made_up_is_no_sentence_of_the_status() {
        assert_eq!(shown_type(b"fuse.fuse-zip"), "fuse.fuse-zip");
        assert_eq!(
            shown_type(b"fuse.x, healthy; no restarts"),
            "'fuse.x??healthy??no?restarts'"
        );
        assert_eq!(shown_type(&[b'x'; 200]), format!("'{}...'", "x".repeat(32)));
        assert_eq!(shown_type("fuse.\u{202e}".as_bytes()), "'fuse.???'");
    }

    #[test]
    fn a_question_may_come_a_little_early() {
        let mountpoint = mountpoint();
        let due = mountpoint.due;
        let before = |time: Duration| due.checked_sub(time).unwrap();
        let interval = mountpoint.rhythm.interval;
        assert!(mountpoint.is_due(due) && mountpoint.is_due(before(interval / 8)));
        assert!(!mountpoint.is_due(before(interval / 7)));
        assert_eq!(mountpoint.next(), due);
    }

    #[test]
    fn a_probe_that_was_killed_is_sent_again_at_once() {
        let mut mountpoint = mountpoint();
        mountpoint.probe = Some(Probe {
            pid: Pid::from_raw(77),
            since: Instant::now(),
        });
        assert_eq!(mountpoint.take_answer(Pid::from_raw(77), None), Answer::Good);
        assert!(!mountpoint.has_answered() && mountpoint.next() <= Instant::now());
    }

    #[test]
    fn an_answer_from_before_a_sign_is_asked_for_again() {
        let mut mountpoint = mountpoint();
        mountpoint.probe = Some(Probe {
            pid: Pid::from_raw(77),
            since: Instant::now(),
        });
        mountpoint.ask_now();
        assert_eq!(mountpoint.take_answer(Pid::from_raw(77), Some(0)), Answer::Good);
        assert!(mountpoint.next() <= Instant::now());
    }

    #[test]
    fn an_errno_is_a_verdict() {
        let mut mountpoint = mountpoint();
        mountpoint.probe = Some(Probe {
            pid: Pid::from_raw(77),
            since: Instant::now(),
        });
        let dead = Verdict::Dead(nix::errno::Errno::ENOTCONN);
        assert_eq!(
            mountpoint.take_answer(Pid::from_raw(77), Some(107)),
            Answer::Bad(dead)
        );
    }
}
