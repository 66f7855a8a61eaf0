//! Requests that nobody answers although the filesystem answers statfs(2): a daemon that has many threads, or that
//! sits on a read. The kernel counts the requests of each connection that wait (fusectl), which costs one small read
//! a look. The number alone is no proof: a busy filesystem always has requests waiting. So while there are any, the
//! threads that sleep in a FUSE wait are remembered, and one that has not run for the whole deadline is looked into
//! (evidence.rs).

use crate::evidence::{Suspicion, judge_evidence};
use crate::judge::{Silence, Verdict};
use crate::mountpoint::Mountpoint;
use crate::probe::{Probe, Question};
use crate::sleeper::Switches;
use crate::threads::{self, Thread};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use vassal_sys::journal::{Priority, line};
use vassal_sys::{SysError, fusectl};

/// The longest time between two looks: what a hang may be told later than its deadline.
const LONGEST: Duration = Duration::from_millis(500);

/// A thread that sleeps in a FUSE wait, and has not run since then.
#[derive(Debug, Clone, Copy)]
struct Sleeper {
    thread: Thread,
    switches: Switches,
    since: Instant,
}

/// What is known of unanswered requests.
#[derive(Debug)]
pub struct Unanswered {
    every: Duration,
    deadline: Duration,
    due: Instant,
    /// For each mountpoint, since when requests were waiting at every look.
    busy: Vec<Option<Instant>>,
    sleepers: Vec<Sleeper>,
    proof: Option<Probe>,
}

/// What to look at.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// /sys/fs/fuse/connections.
    pub fusectl: &'a OwnedFd,
    /// The vassal's proc.
    pub proc: &'a OwnedFd,
    /// Whether that is the proc of a PID namespace of its own.
    pub is_init: bool,
    /// The watched mountpoints.
    pub mountpoints: &'a [Mountpoint],
}

impl Unanswered {
    /// Looks twice between two probes, at least each half second.
    pub fn new(interval: Duration, deadline: Duration, mountpoints: usize) -> Self {
        Self {
            every: (interval / 2).min(LONGEST),
            deadline,
            due: Instant::now(),
            busy: vec![None; mountpoints],
            sleepers: Vec::new(),
            proof: None,
        }
    }

    /// When it wants to look again.
    pub fn next(&self) -> Instant {
        self.due
    }

    /// Gives back the time in which nothing on this machine ran.
    pub fn forgive(&mut self, stall: Duration) {
        let sinces = self.sleepers.iter_mut().map(|sleeper| &mut sleeper.since);
        let sinces = sinces.chain(self.busy.iter_mut().flatten());
        sinces
            .chain(self.proof.iter_mut().map(|probe| &mut probe.since))
            .for_each(|since| *since += stall);
    }

    /// Looks, when it is time.
    ///
    /// # Errors
    /// When no process can be sent.
    pub fn tick(&mut self, scene: Scene<'_>, now: Instant) -> Result<(), SysError> {
        if now < self.due {
            return Ok(());
        }
        self.due = now + self.every;
        self.count(scene, now);
        if self.busy.iter().all(Option::is_none) {
            self.sleepers.clear();
            return Ok(());
        }
        self.look_at_threads(scene, now);
        let is_over = |since: &Instant| *since + self.deadline <= now;
        match &self.proof {
            // Not even proc answers: it is lost, and no evidence.
            Some(proof) if is_over(&proof.since) => end(proof.pid),
            Some(_) => {}
            None => {
                let overdue = self.sleepers.iter().filter(|sleeper| is_over(&sleeper.since));
                let suspicion = Suspicion {
                    threads: overdue
                        .map(|sleeper| (sleeper.thread, sleeper.switches))
                        .collect(),
                    busy: self
                        .busy
                        .iter()
                        .map(|busy| busy.as_ref().is_some_and(is_over))
                        .collect(),
                };
                if !suspicion.threads.is_empty() && suspicion.busy.contains(&true) {
                    self.proof = Some(Probe::send(Question::Evidence(scene, &suspicion))?);
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, scene: Scene<'_>, now: Instant) {
        for (busy, mountpoint) in self.busy.iter_mut().zip(scene.mountpoints) {
            let mount = &mountpoint.watched.mount;
            // A connection that cannot be read is not looked at: its mount has changed, which is judged elsewhere.
            let waits = mount.is_fuse()
                && fusectl::waiting(scene.fusectl, mount.minor).is_ok_and(|waiting| waiting > 0);
            *busy = waits.then(|| busy.unwrap_or(now));
        }
    }

    fn look_at_threads(&mut self, scene: Scene<'_>, now: Instant) {
        let mut own: Vec<i32> = scene
            .mountpoints
            .iter()
            .filter_map(Mountpoint::probe_pid)
            .collect();
        own.extend(self.proof.as_ref().map(|proof| proof.pid.as_raw()));
        let known = std::mem::take(&mut self.sleepers);
        for thread in threads::all(scene.proc, scene.is_init, &own) {
            let Some((_, switches)) = thread.asleep(scene.proc) else {
                continue;
            };
            let before = known
                .iter()
                .find(|before| before.thread == thread && before.switches == switches);
            let since = before.map_or(now, |before| before.since);
            self.sleepers.push(Sleeper {
                thread,
                switches,
                since,
            });
        }
    }

    /// Whether process `pid` is the one that was sent to look for evidence.
    pub fn is_proof(&self, pid: Pid) -> bool {
        self.proof.as_ref().is_some_and(|proof| proof.pid == pid)
    }

    /// Takes its answer: which mountpoint hangs, if any. Threads that proved nothing get the whole deadline again.
    pub fn take_proof(&mut self, code: Option<i32>, now: Instant) -> Option<(usize, Verdict)> {
        self.proof = None;
        let guilty = code
            .and_then(judge_evidence)
            .filter(|index| *index < self.busy.len());
        if guilty.is_none() {
            let overdue = |sleeper: &&mut Sleeper| sleeper.since + self.deadline <= now;
            let innocent = self.sleepers.iter_mut().filter(overdue);
            innocent.for_each(|sleeper| sleeper.since = now);
        }
        guilty.map(|index| (index, Verdict::Hung(Silence::Request(self.deadline))))
    }
}

fn end(pid: Pid) {
    match kill(pid, Signal::SIGKILL) {
        // It may have ended by itself right now; it is reaped with all others.
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(errno) => line(
            Priority::Warning,
            &format!("cannot signal a process: {}", errno.desc()),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(3);

    /// One mountpoint that was busy, and one thread that slept, all the time.
    fn overdue(now: Instant) -> Unanswered {
        let since = now.checked_sub(DEADLINE).unwrap();
        let thread = Thread {
            process: 7,
            number: 8,
        };
        let sleeper = Sleeper {
            thread,
            switches: (4, 0),
            since,
        };
        Unanswered {
            busy: vec![Some(since)],
            sleepers: vec![sleeper],
            proof: Some(Probe {
                pid: Pid::from_raw(77),
                since: now,
            }),
            ..Unanswered::new(Duration::from_secs(1), DEADLINE, 1)
        }
    }

    #[test]
    fn it_is_looked_twice_between_two_probes_or_more_often() {
        let every = |seconds| Unanswered::new(Duration::from_secs_f32(seconds), DEADLINE, 1).every;
        assert_eq!(every(0.3), Duration::from_secs_f32(0.15));
        assert_eq!(every(20.0), LONGEST);
    }

    #[test]
    fn evidence_is_a_verdict_on_the_mountpoint_it_names() {
        let now = Instant::now();
        let hung = Verdict::Hung(Silence::Request(DEADLINE));
        assert_eq!(overdue(now).take_proof(Some(1), now), Some((0, hung)));
        // Nothing; a mountpoint that is not there; killed.
        for code in [Some(0), Some(2), None] {
            assert_eq!(overdue(now).take_proof(code, now), None, "{code:?}");
        }
    }

    #[test]
    fn who_proved_nothing_has_the_whole_deadline_again() {
        let now = Instant::now();
        let mut unanswered = overdue(now);
        assert!(unanswered.is_proof(Pid::from_raw(77)));
        unanswered.take_proof(Some(0), now);
        assert!(!unanswered.is_proof(Pid::from_raw(77)));
        assert_eq!(unanswered.sleepers[0].since, now);
    }

    #[test]
    fn time_that_stood_still_does_not_count() {
        let now = Instant::now();
        let mut unanswered = overdue(now);
        unanswered.forgive(DEADLINE);
        assert_eq!(
            (unanswered.sleepers[0].since, unanswered.busy[0]),
            (now, Some(now))
        );
    }
}
