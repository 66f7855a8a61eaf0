//! Supervises the processes of a uWSGI that stops or reloads, and not only its master: the master relays the order
//! once, so a worker that it forks at that moment never gets it; it looks for ended workers only once a second; and
//! when it stops, 2.0.28 waits for every child, even for one that it does not know. [`WindDown::acts`] says what has to
//! be done; it does nothing itself.

use crate::app::drain::{DrainTarget, drain_then_hang_up};
use crate::app::master::{Child, Kind};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::time::{Duration, Instant};

/// The time after which a worker that has got the order gets it again; doubled each time. It is longer than the second
/// for which a master that has killed a worker (harakiri) ignores orders.
const AGAIN: Duration = Duration::from_millis(1500);
/// How long a master without workers may wait for processes that it does not know, before those are ended.
const STRANGERS_LIMIT: Duration = Duration::from_millis(60);
/// How long such processes may take to end after SIGTERM, which uWSGI makes them ignore. The whole process group of the
/// master is killed when the master has ended.
const STRANGERS_END_LIMIT: Duration = Duration::from_millis(250);
/// How long the master may take to end the children that it attends to itself: it waits for a second between its signal
/// to a daemon and its next look.
const ATTENDED_LIMIT: Duration = Duration::from_millis(1500);
/// How long a master without children may sleep before it is interrupted.
const CHILDLESS_LIMIT: Duration = Duration::from_millis(100);
/// The shortest time between two looks, used at the beginning of a stop: on average a client waits half of it. A look
/// costs some 0.2 ms, which does not matter for a short time.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
/// The longest time between two looks.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// The time between two looks is this fraction of the time since the order.
const PART: u32 = 16;

/// Something that has to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Tell these workers to end when they have answered.
    Tell(Vec<Pid>),
    /// Make the master look at its children.
    Wake,
    /// Interrupt the sleep of a master that has nothing left to wait for.
    Interrupt,
    /// Signal this child.
    Signal(Pid, Signal),
}

impl Act {
    /// Does it.
    pub fn perform(self, listener: &DrainTarget<'_>) {
        let master = listener.master;
        match self {
            // The master kills its routers when it sees that its workers have ended, so it is not woken while they have
            // clients. It is woken later, or looks by itself.
            Act::Wake if master.routers_owe() => {}
            Act::Wake => master.wake(),
            Act::Interrupt => master.interrupt(),
            Act::Signal(pid, signal) => master.signal_child(pid, signal),
            Act::Tell(workers) => {
                // At a limit of processes the workers are told without being drained.
                if drain_then_hang_up(listener, &workers).is_err() {
                    workers
                        .iter()
                        .for_each(|pid| master.signal_child(*pid, Signal::SIGHUP));
                }
            }
        }
    }
}

/// A worker that has got the order, and when it gets it again.
#[derive(Debug)]
struct Told {
    pid: Pid,
    due: Instant,
    pause: Duration,
}

/// The supervision of a uWSGI that stops or reloads.
#[derive(Debug)]
pub struct WindDown {
    begun: Instant,
    next_look: Instant,
    told: Vec<Told>,
    /// How many more workers of a reloading master may be told: a master that has not got the order would fork new ones
    /// for ever.
    late_left: usize,
    /// Since when there has been no worker.
    workerless: Option<Instant>,
    /// Since when there has been no child at all.
    childless: Option<Instant>,
    /// The children that were signalled, with the last signal and its time.
    signalled: Vec<(Pid, Signal, Instant)>,
    is_interrupted: bool,
    /// The time between SIGTERM and SIGKILL for a child of a master that stops. `None` for one that reloads: it keeps
    /// its other children, and itself ends workers that have got the order (`worker-reload-mercy`).
    leftover_limit: Option<Duration>,
}

impl WindDown {
    /// For a master with these `workers` that gets the order to stop now. Processes that have to be ended have
    /// `leftover_limit` for it.
    pub fn to_stop(workers: &[Pid], now: Instant, leftover_limit: Duration) -> Self {
        Self::new(workers, now, Some(leftover_limit))
    }

    /// For a master with these `workers` that gets the order to reload now.
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

    /// Returns what has to be done, given the master's present `children`.
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

    /// Those of `workers` that have to be told now: immediately, if they were forked after the order was given.
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

    /// SIGTERM, or SIGKILL for a child that has not ended within `limit` after it.
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
