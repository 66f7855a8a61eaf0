//! Detects requests that stay unanswered although the filesystem answers statfs(2), because its daemon has many threads
//! or hangs in a read. fusectl shows how many requests of each connection are waiting, at the cost of one small read.
//! That number alone proves nothing, because a busy filesystem always has requests waiting. So while there are any,
//! threads that sleep in a FUSE wait are remembered, and one that has not run for the whole deadline is examined
//! ([`super::attribute`]).

use crate::hang::asleep_since::slept;
use crate::hang::attribute::{self, Attribution, OPERATION_LIMIT, Sources, Suspects};
use crate::hang::wait_channel::{Switches, asleep};
use crate::mountpoints::coalesce::AlignedTimer;
use crate::mountpoints::mountpoint::Mountpoint;
use crate::processes::probe::Probe;
use crate::processes::tree;
use nix::fcntl::OFlag;
use nix::unistd::{Pid, pipe2, read};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use vassal_escape::printable;
use vassal_sys::proc::{Proc, Thread};
use vassal_sys::{SysError, fusectl};

/// The longest time between two looks if the kernel does not report how long a thread has slept. No verdict comes
/// before the deadline, so a hang is reported up to this much later.
const LONGEST: Duration = Duration::from_millis(750);
/// A thread that has waited for this long may wait for a filesystem that answers no request at all, so a probe is sent.
pub const DOUBTFUL: Duration = Duration::from_millis(100);

/// A thread that sleeps in a FUSE wait and has not run since.
#[derive(Debug, Clone, Copy)]
struct SleepingThread {
    thread: Thread,
    switches: Switches,
    since: Instant,
    /// When it is to be examined.
    due: Instant,
}

/// The state of the monitor.
#[derive(Debug)]
pub struct Monitor {
    timer: AlignedTimer,
    deadline: Duration,
    due: Instant,
    /// When the last look was.
    looked: Instant,
    /// For each mountpoint since when it has had requests waiting at every look.
    busy: Vec<Option<Instant>>,
    sleepers: Vec<SleepingThread>,
    investigator: Option<Probe>,
    /// The read end of the pipe in which it describes the call.
    description: Option<OwnedFd>,
}

impl Monitor {
    /// A monitor of `mountpoints` mountpoints. `sleep_is_known` says whether the kernel reports how long a thread has
    /// slept.
    pub fn new(deadline: Duration, mountpoints: usize, sleep_is_known: bool) -> Self {
        Self {
            timer: AlignedTimer::new(every(deadline, sleep_is_known)),
            deadline,
            due: Instant::now(),
            looked: Instant::now(),
            busy: vec![None; mountpoints],
            sleepers: Vec::new(),
            investigator: None,
            description: None,
        }
    }

    /// Whether a sleeping thread is being timed.
    pub fn measures(&self) -> bool {
        !self.sleepers.is_empty()
    }

    /// When the next look is due.
    pub fn next(&self) -> Instant {
        self.due
    }

    /// The machine did not run for the time `stall` until `now`: this time is not counted. A thread that is first seen
    /// asleep after it may have slept through it.
    pub fn forgive(&mut self, stall: Duration, now: Instant) {
        self.looked = now;
        let sleepers = self.sleepers.iter_mut();
        let sinces = sleepers.flat_map(|sleeper| [&mut sleeper.since, &mut sleeper.due]);
        let sinces = sinces.chain(self.busy.iter_mut().flatten());
        sinces
            .chain(self.investigator.iter_mut().map(|probe| &mut probe.since))
            .for_each(|since| *since += stall);
    }

    /// Looks, if that is due. If a thread has waited long enough for a doubt, returns since when (of several, the
    /// latest).
    ///
    /// # Errors
    /// When no process can be forked.
    pub fn tick(&mut self, sources: Sources<'_>, now: Instant) -> Result<Option<Instant>, SysError> {
        if now < self.due {
            return Ok(None);
        }
        self.count(sources, now);
        if self.busy.iter().all(Option::is_none) {
            self.sleepers.clear();
        } else {
            self.look_at_threads(sources, now);
        }
        self.looked = now;
        let sinces = self.sleepers.iter().map(|sleeper| sleeper.since);
        let dues = self.sleepers.iter().map(|sleeper| sleeper.due);
        let next = dues.filter(|due| *due > now).min();
        let doubtful = sinces.filter(|since| *since + DOUBTFUL <= now).max();
        self.due = next.into_iter().fold(self.timer.after(now), Instant::min);
        self.investigate(sources, now)?;
        Ok(doubtful)
    }

    /// Sends a process that examines the threads which have slept for the whole deadline.
    fn investigate(&mut self, sources: Sources<'_>, now: Instant) -> Result<(), SysError> {
        if let Some(investigator) = &self.investigator {
            // Not even proc answers this process: it is abandoned, and proves nothing.
            if investigator.since + self.deadline <= now {
                investigator.end();
            }
            return Ok(());
        }
        let overdue = self.sleepers.iter().filter(|sleeper| sleeper.due <= now);
        let threads: Vec<_> = overdue
            .map(|sleeper| (sleeper.thread, sleeper.switches, now - sleeper.since))
            .collect();
        // Both at this look and at the one before.
        let was_busy = |since: &Instant| *since < now;
        let busy: Vec<_> = self
            .busy
            .iter()
            .map(|busy| busy.as_ref().is_some_and(was_busy))
            .collect();
        if !threads.is_empty() && busy.contains(&true) {
            let suspects = Suspects { threads, busy };
            // If no process can be forked now, it is tried at the next look.
            let (description, report) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).ok().unzip();
            self.investigator = Probe::run(|| attribute::find(sources, &suspects, report.as_ref()))?;
            self.description = description;
        }
        Ok(())
    }

    fn count(&mut self, sources: Sources<'_>, now: Instant) {
        for (busy, mountpoint) in self.busy.iter_mut().zip(sources.mountpoints) {
            let mount = &mountpoint.watched.mount;
            // A connection that cannot be read is skipped: its mount has changed, which is noticed elsewhere.
            let waits = mount.is_fuse()
                && fusectl::waiting(sources.fusectl, mount.connection()).is_ok_and(|waiting| waiting > 0);
            *busy = waits.then(|| busy.unwrap_or(now));
        }
    }

    fn look_at_threads(&mut self, sources: Sources<'_>, now: Instant) {
        let mut own: Vec<Pid> = sources
            .mountpoints
            .iter()
            .filter_map(Mountpoint::probe_pid)
            .collect();
        own.extend(self.investigator.as_ref().map(|investigator| investigator.pid));
        let known = std::mem::take(&mut self.sleepers);
        for thread in tree::threads(sources.proc, sources.is_init, &own) {
            let Some((_, switches)) = asleep(thread, sources.proc) else {
                continue;
            };
            let before = known
                .iter()
                .find(|before| before.thread == thread && before.switches == switches);
            let sleeper = before.copied().unwrap_or_else(|| {
                let since = self.asleep_since(thread, sources.proc, now);
                SleepingThread {
                    thread,
                    switches,
                    since,
                    due: since + self.deadline,
                }
            });
            self.sleepers.push(sleeper);
        }
    }

    /// Since when a thread has slept that did not sleep at the last look. Not earlier than that look, because time
    /// before it may have been a standstill. If the kernel does not report it, since now.
    fn asleep_since(&self, thread: Thread, proc: &Proc, now: Instant) -> Instant {
        let since = slept(thread, proc).and_then(|slept| Instant::now().checked_sub(slept));
        since.map_or(now, |since| since.max(self.looked).min(now))
    }

    /// Whether the mountpoint had requests waiting at every look for `time`, and at least one thread has slept for as
    /// long.
    pub fn waits_for(&self, index: usize, time: Duration, now: Instant) -> bool {
        let is_over = |since: Instant| now.saturating_duration_since(since) >= time;
        let is_busy = self.busy.get(index).copied().flatten().is_some_and(is_over);
        is_busy && self.sleepers.iter().any(|sleeper| is_over(sleeper.since))
    }

    /// Whether the process `pid` is the one that examines threads.
    pub fn is_investigator(&self, pid: Pid) -> bool {
        self.investigator
            .as_ref()
            .is_some_and(|investigator| investigator.pid == pid)
    }

    /// The call that a thread waits for, as described by that process.
    pub fn operation(&mut self) -> Option<String> {
        let mut text = [0; OPERATION_LIMIT];
        let length = read(self.description.take()?, &mut text).ok()?;
        (length > 0).then(|| printable(&text[..length]))
    }

    /// The shortest deadline of all mountpoints.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Takes the result. Threads that wait for no watched filesystem, or in a call that may take longer, get the whole
    /// deadline again.
    pub fn take_investigation(&mut self, code: Option<i32>, now: Instant) -> Attribution {
        self.investigator = None;
        let attribution = match Attribution::of(code) {
            Attribution::Mountpoint(index) if index >= self.busy.len() => Attribution::Nothing,
            attribution => attribution,
        };
        let again = match attribution {
            Attribution::Mountpoint(_) => return attribution,
            Attribution::Nothing => self.deadline,
            // It may become clear soon which filesystem it is.
            Attribution::Unnamed => self.deadline / 4,
        };
        let left = self.sleepers.iter_mut().filter(|sleeper| sleeper.due <= now);
        left.for_each(|sleeper| sleeper.due = now + again);
        attribution
    }
}

/// The time between two looks while no request waits. A thread that is seen asleep is timed for at least a sixth of the
/// deadline before a verdict, so that a standstill of the machine would be noticed; and it is seen early enough for a
/// verdict at the deadline.
fn every(deadline: Duration, sleep_is_known: bool) -> Duration {
    match sleep_is_known {
        true => deadline * 5 / 6,
        false => LONGEST.min(deadline / 4),
    }
}

#[cfg(test)]
mod tests;
