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
/// The time between two looks, as long as the stop is young: what a look costs does not matter for a moment.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
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
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(2);
    const ONE: Pid = Pid::from_raw(3);
    const TWO: Pid = Pid::from_raw(4);

    fn child(pid: Pid, kind: Kind) -> Child {
        Child { pid, kind }
    }

    /// What is done at each moment, in milliseconds after the order, with these children there.
    fn acts(workers: &[Pid], moments: &[(u64, &[Child])]) -> Vec<Vec<Act>> {
        let begun = Instant::now();
        let mut wind_down = WindDown::to_stop(workers, begun, LIMIT);
        let at = |millis| begun + Duration::from_millis(millis);
        moments
            .iter()
            .map(|(millis, children)| wind_down.acts(children, at(*millis)))
            .collect()
    }

    #[test]
    fn a_worker_that_was_forked_after_the_order_is_told_as_soon_as_it_can_hear() {
        let late = |kind| [child(ONE, Kind::Worker), child(TWO, kind)];
        let (newborn, worker) = (late(Kind::Newborn), late(Kind::Worker));
        let seen = acts(&[ONE], &[(0, &newborn), (20, &worker), (40, &worker)]);
        assert_eq!(seen, [vec![], vec![Act::Tell(vec![TWO])], vec![]]);
    }

    #[test]
    fn a_worker_that_has_heard_is_told_again_with_growing_pauses() {
        let worker: &[Child] = &[child(ONE, Kind::Worker)];
        let moments: Vec<_> = (0..300).map(|step| (step * 100, worker)).collect();
        let seen = acts(&[ONE], &moments);
        let told: Vec<_> = (0..).zip(seen).filter(|(_, acts)| !acts.is_empty()).collect();
        let steps: Vec<_> = told.iter().map(|(step, _)| *step).collect();
        assert_eq!(steps, [15, 45, 105, 225]);
    }

    #[test]
    fn a_master_that_does_not_reload_has_no_more_than_its_workers_ended() {
        let begun = Instant::now();
        let mut turnover = WindDown::to_reload(&[ONE], begun);
        let mut told = 0;
        for number in 4..20 {
            let late = [
                child(ONE, Kind::Worker),
                child(Pid::from_raw(number), Kind::Worker),
            ];
            told += turnover
                .acts(&late, begun + Duration::from_secs(number as u64))
                .len();
        }
        assert_eq!(told, 1);
    }

    #[test]
    fn a_master_without_workers_is_woken_and_without_children_interrupted_once() {
        let seen = acts(
            &[ONE],
            &[
                (0, &[child(ONE, Kind::Worker)]),
                (20, &[]),
                (60, &[]),
                (120, &[]),
                (140, &[]),
            ],
        );
        let woken = vec![Act::Wake];
        let interrupted = vec![Act::Wake, Act::Interrupt];
        assert_eq!(seen, [vec![], woken.clone(), woken.clone(), interrupted, woken]);
    }

    #[test]
    fn what_the_master_does_not_know_is_ended_and_what_it_attends_to_has_its_time() {
        let both: &[Child] = &[child(ONE, Kind::Stranger), child(TWO, Kind::Attended)];
        let seen = acts(
            &[],
            &[
                (0, both),
                (60, both),
                (100, both),
                (310, both),
                (1500, &both[1..]),
                (3600, &both[1..]),
            ],
        );
        let term = |pid| Act::Signal(pid, Signal::SIGTERM);
        let kill = |pid| Act::Signal(pid, Signal::SIGKILL);
        let expected = [
            vec![Act::Wake],
            vec![Act::Wake, term(ONE)],
            vec![Act::Wake],
            vec![Act::Wake, kill(ONE)],
            vec![Act::Wake, term(TWO)],
            vec![Act::Wake, kill(TWO)],
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_master_that_reloads_is_woken_and_keeps_its_other_children() {
        let begun = Instant::now();
        let mut turnover = WindDown::to_reload(&[], begun);
        let stranger = [child(ONE, Kind::Stranger)];
        for (seconds, children) in [(0, &stranger[..]), (5, &stranger), (6, &[]), (9, &[])] {
            let seen = turnover.acts(children, begun + Duration::from_secs(seconds));
            assert_eq!(seen, [Act::Wake], "{seconds}");
        }
    }

    #[test]
    fn looks_become_seldom() {
        let begun = Instant::now();
        let mut wind_down = WindDown::to_stop(&[], begun, LIMIT);
        let count = (0..30_000)
            .filter(|millis| wind_down.is_due(begun + Duration::from_millis(*millis)))
            .count();
        assert!((120..250).contains(&count), "{count}");
    }
}
