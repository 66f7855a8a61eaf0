//! What is to be done while a uWSGI stops or reloads: its processes are watched, and not its master alone. The master hears
//! the order once; a worker that it forks at that moment never hears it. It looks for ended workers once a second. And when
//! it stops, 2.0.28 waits for every child, also for one that it does not know. What is due is said by [`WindDown::acts`],
//! which does nothing itself.

use crate::app::drain::{DrainTarget, drain_then_hang_up};
use crate::app::master::{Child, Kind};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::time::{Duration, Instant};

/// A worker that has heard the order is told again after this time, and then after twice as long each time: longer than the
/// second for which a master that has killed a worker (harakiri) hears nothing.
const AGAIN: Duration = Duration::from_millis(1500);
/// How long a master without workers may take to leave beside processes that it does not know, before those are ended.
const STRANGERS_LIMIT: Duration = Duration::from_millis(60);
/// How long those may take from SIGTERM, which uWSGI has them ignore, to their end: all of the master's process group is killed
/// when it has left.
const STRANGERS_END_LIMIT: Duration = Duration::from_millis(250);
/// How long it may take to end what it attends to: it waits for a second between its signal to a daemon and the next look.
const ATTENDED_LIMIT: Duration = Duration::from_millis(1500);
/// How long a master without any child may sleep before it is interrupted.
const CHILDLESS_LIMIT: Duration = Duration::from_millis(100);
/// The time between two looks, as long as the stop is young: a client waits for half of it. What a look costs, some 0.2 ms, does not matter
/// for a moment.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
/// And in the end: what waits for an answer that takes its time needs no more.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// A pause is this part of the time that has passed.
const PART: u32 = 16;

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Tell these workers to end when they have answered.
    Tell(Vec<Pid>),
    /// Have the master look at its children.
    Wake,
    /// End the sleep of a master that has nothing left to wait for.
    Interrupt,
    /// Signal this child.
    Signal(Pid, Signal),
}

impl Act {
    /// Does it.
    pub fn perform(self, listener: &DrainTarget<'_>) {
        let master = listener.master;
        match self {
            // It kills its routers when it sees that its workers have gone. It is woken at the next look, or looks by itself.
            Act::Wake if master.routers_owe() => {}
            Act::Wake => master.wake(),
            Act::Interrupt => master.interrupt(),
            Act::Signal(pid, signal) => master.signal_child(pid, signal),
            Act::Tell(workers) => {
                // At a limit of processes there is none to make them deaf.
                if drain_then_hang_up(listener, &workers).is_err() {
                    workers
                        .iter()
                        .for_each(|pid| master.signal_child(*pid, Signal::SIGHUP));
                }
            }
        }
    }
}

/// A worker, and when it is told again.
#[derive(Debug)]
struct Told {
    pid: Pid,
    due: Instant,
    pause: Duration,
}

/// A stop under way.
#[derive(Debug)]
pub struct WindDown {
    begun: Instant,
    next_look: Instant,
    told: Vec<Told>,
    /// How many more workers of a master that reloads may be told: one that did not reload would fork new ones for ever.
    late_left: usize,
    /// Since when there is no worker.
    workerless: Option<Instant>,
    /// Since when there is no child at all.
    childless: Option<Instant>,
    /// Which children were signalled, and when last.
    signalled: Vec<(Pid, Signal, Instant)>,
    is_interrupted: bool,
    /// How long a child of a master that stops may take from SIGTERM to its end; none for one that reloads, which keeps its
    /// other children and ends those workers that have heard it by itself (`worker-reload-mercy`).
    leftover_limit: Option<Duration>,
}

impl WindDown {
    /// The order to stop is being given to a master whose workers are `workers`. What is ended has `leftover_limit` for it.
    pub fn to_stop(workers: &[Pid], now: Instant, leftover_limit: Duration) -> Self {
        Self::new(workers, now, Some(leftover_limit))
    }

    /// The order to reload is being given to a master whose workers are `workers`.
    pub fn to_reload(workers: &[Pid], now: Instant) -> Self {
        Self::new(workers, now, None)
    }

    fn new(workers: &[Pid], now: Instant, leftover_limit: Option<Duration>) -> Self {
        let told = |pid: &Pid| Told {
            pid: *pid,
            due: now + AGAIN,
            pause: AGAIN * 2,
        };
        Self {
            begun: now,
            next_look: now,
            told: workers.iter().map(told).collect(),
            late_left: workers.len().max(1),
            workerless: None,
            childless: None,
            signalled: Vec::new(),
            is_interrupted: false,
            leftover_limit,
        }
    }

    /// When to look at the master's children again.
    pub fn next_look(&self) -> Instant {
        self.next_look
    }

    /// Whether it is time to look at the master's children.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now >= self.next_look;
        if is_due {
            let pause = (now - self.begun) / PART;
            self.next_look = now + pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        }
        is_due
    }

    /// What is to be done about the master's children, as they are now.
    pub fn acts(&mut self, children: &[Child], now: Instant) -> Vec<Act> {
        let is = |kind: Kind| move |child: &&Child| child.kind == kind;
        let workers: Vec<_> = children
            .iter()
            .filter(is(Kind::Worker))
            .map(|child| child.pid)
            .collect();
        if !workers.is_empty() || children.iter().any(|child| child.kind == Kind::Newborn) {
            (self.workerless, self.childless) = (None, None);
            let due = self.due(&workers, now);
            return if due.is_empty() {
                Vec::new()
            } else {
                vec![Act::Tell(due)]
            };
        }
        let workerless = now - *self.workerless.get_or_insert(now);
        let mut acts = vec![Act::Wake];
        let Some(leftover_limit) = self.leftover_limit else {
            return acts;
        };
        for child in children {
            let (limit, end_limit) = match child.kind {
                Kind::Stranger => (STRANGERS_LIMIT, STRANGERS_END_LIMIT),
                Kind::Worker | Kind::Newborn | Kind::Attended => (ATTENDED_LIMIT, leftover_limit),
            };
            if workerless >= limit {
                acts.extend(self.end(child.pid, now, end_limit));
            }
        }
        if !children.is_empty() {
            self.childless = None;
        } else if now - *self.childless.get_or_insert(now) >= CHILDLESS_LIMIT
            && !std::mem::replace(&mut self.is_interrupted, true)
        {
            acts.push(Act::Interrupt);
        }
        acts
    }

    /// Those of `workers` that are to be told: at once, if they were not there when the order was given.
    fn due(&mut self, workers: &[Pid], now: Instant) -> Vec<Pid> {
        self.told.retain(|told| workers.contains(&told.pid));
        let mut due = Vec::new();
        for pid in workers {
            match self.told.iter_mut().find(|told| told.pid == *pid) {
                Some(told) if now < told.due || self.leftover_limit.is_none() => continue,
                Some(told) => (told.due, told.pause) = (now + told.pause, told.pause * 2),
                None if self.leftover_limit.is_none() && self.late_left == 0 => continue,
                None => {
                    self.late_left = self.late_left.saturating_sub(1);
                    self.told.push(Told {
                        pid: *pid,
                        due: now + AGAIN,
                        pause: AGAIN * 2,
                    });
                }
            }
            due.push(*pid);
        }
        due
    }

    /// SIGTERM, and SIGKILL for what has not ended by that in time.
    fn end(&mut self, pid: Pid, now: Instant, limit: Duration) -> Option<Act> {
        let signal = match self.signalled.iter().find(|(known, ..)| *known == pid) {
            None => Signal::SIGTERM,
            Some((_, _, since)) if now - *since < limit => return None,
            Some(_) => Signal::SIGKILL,
        };
        self.signalled.retain(|(known, ..)| *known != pid);
        self.signalled.push((pid, signal, now));
        Some(Act::Signal(pid, signal))
    }
}

#[cfg(test)]
mod tests;
