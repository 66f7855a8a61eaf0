//! Derives verdicts from observations. Pure functions: no clock, no system calls.

use crate::mountpoints::disturbed::Disturbance;
use nix::errno::Errno;
use std::fmt;
use std::time::Duration;
use vassal_sys::mountinfo::{self, Mount};
use vassal_sys::statfs::ELSEWHERE;
use vassal_systemd::verdicts::{self, Row};

/// What is wrong with a mountpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its filesystem answers with an error, because it has no daemon any more.
    Dead(Errno),
    /// Its filesystem does not answer.
    Hung(Silence),
    /// Nothing is mounted there any more.
    Gone,
    /// Something else is mounted there.
    Replaced,
    /// It is mounted somewhere else: the mount was moved, or a directory above it was renamed.
    Moved,
    /// Nothing is known about it: this many probes were prevented from asking, the last one in this way, and no other
    /// was answered for a deadline.
    Disturbed(u32, Disturbance),
}

/// What a hanging filesystem has left unanswered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// A probe.
    Probe,
    /// A request of one of the vassal's processes, for this time, while probes are answered.
    Request(Duration),
}

/// The name of a verdict and its consequences.
impl Verdict {
    /// The name and the sentences of the verdict.
    pub fn row(self) -> &'static Row {
        match self {
            Verdict::Dead(_) => &verdicts::DEAD,
            Verdict::Hung(_) => &verdicts::HUNG,
            Verdict::Gone => &verdicts::GONE,
            Verdict::Replaced => &verdicts::REPLACED,
            Verdict::Moved => &verdicts::MOVED,
            Verdict::Disturbed(..) => &verdicts::DISTURBED,
        }
    }

    /// The error that the filesystem has answered with.
    pub fn errno(self) -> Option<Errno> {
        match self {
            Verdict::Dead(errno) => Some(errno),
            Verdict::Hung(_)
            | Verdict::Gone
            | Verdict::Replaced
            | Verdict::Moved
            | Verdict::Disturbed(..) => None,
        }
    }

    /// Whether processes may wait for the filesystem and can be killed only when its connection has been aborted.
    pub fn leaves_waiting(self) -> bool {
        match self {
            Verdict::Hung(_) | Verdict::Disturbed(..) => true,
            Verdict::Dead(_) | Verdict::Gone | Verdict::Replaced | Verdict::Moved => false,
        }
    }

    /// Whether the daemon still saves what was written: because its filesystem has been unmounted, or because it is
    /// mounted elsewhere and will be unmounted with the others.
    pub fn loses_nothing(self) -> bool {
        match self {
            Verdict::Gone | Verdict::Moved => true,
            Verdict::Dead(_) | Verdict::Hung(_) | Verdict::Replaced | Verdict::Disturbed(..) => false,
        }
    }

    /// The deadline that was missed, if the verdict is about one; `timeout` is that of a probe.
    pub fn missed_deadline(self, timeout: Duration) -> Option<Duration> {
        match self {
            Verdict::Hung(Silence::Probe) => Some(timeout),
            Verdict::Hung(Silence::Request(deadline)) => Some(deadline),
            Verdict::Dead(_)
            | Verdict::Gone
            | Verdict::Replaced
            | Verdict::Moved
            | Verdict::Disturbed(..) => None,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentences = self.row().sentences;
        f.write_str(&match self {
            Verdict::Dead(errno) => sentences[0].with(&[("errno", &format!("{errno:?}"))]),
            Verdict::Hung(Silence::Request(time)) => sentences[1].with(&[("seconds", &time.as_secs_f32())]),
            Verdict::Hung(Silence::Probe) | Verdict::Gone | Verdict::Replaced | Verdict::Moved => {
                sentences[0].with(&[])
            }
            Verdict::Disturbed(1, how) => sentences[0].with(&[("how", how)]),
            Verdict::Disturbed(count, how) => sentences[1].with(&[("count", count), ("how", how)]),
        })
    }
}

/// Whether `found` tells what has become of `expected`: it is at the same place, or may be the same mount at another
/// place.
pub fn concerns(expected: &Mount, found: &Mount) -> bool {
    expected.mountpoint == found.mountpoint || expected.id == found.id
}

/// The verdict by mountinfo on the mountpoint of `expected`; `None` while the same mount is on top there.
pub fn judge_mounts(expected: &Mount, now: &[Mount]) -> Option<Verdict> {
    match mountinfo::top(now, &expected.mountpoint) {
        None if now.iter().any(|mount| is_same(expected, mount)) => Some(Verdict::Moved),
        None => Some(Verdict::Gone),
        Some(top) if is_same(expected, top) => None,
        Some(_) => Some(Verdict::Replaced),
    }
}

/// Whether `found` is the mount `expected`. Ids and device numbers are reused, so all fields must agree, except the
/// parent, which changes when the old root is unmounted below it.
pub fn is_same(expected: &Mount, found: &Mount) -> bool {
    let identity = |mount: &Mount| (mount.id, mount.major, mount.minor, mount.fstype.clone());
    identity(expected) == identity(found)
}

/// The result of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The filesystem answers.
    Healthy,
    /// The filesystem has answered with an error.
    Bad(Verdict),
    /// The path no longer leads to the mount, so perhaps another filesystem was asked, and mountinfo has to be checked.
    /// If that shows no change, this is the verdict; `None` stands for a path that was changed and changed back.
    Elsewhere(Option<Verdict>),
}

/// The result that a probe's exit code stands for: the errno of the call that failed, or 0 for an answer.
pub fn judge_answer(code: i32) -> Reply {
    let errno = Errno::from_raw(code);
    match errno {
        _ if code == 0 => Reply::Healthy,
        _ if code == ELSEWHERE => Reply::Elsewhere(None),
        Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EACCES => {
            Reply::Elsewhere(Some(Verdict::Dead(errno)))
        }
        errno => Reply::Bad(Verdict::Dead(errno)),
    }
}

/// What an unanswered probe is doing, by its state in proc.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// It waits for the filesystem (`S`, or `D` once the daemon has read its request).
    Asks,
    /// It is stopped (`T`, or `t` by a debugger).
    Stands,
    /// It is runnable (`R`) but did not get the processor; or it has just ended.
    Runs,
}

/// The meaning of the state of a probe that has not ended.
pub fn judge_state(state: Option<u8>) -> Waiting {
    match state {
        Some(b'S' | b'D') => Waiting::Asks,
        Some(b'T' | b't') => Waiting::Stands,
        _ => Waiting::Runs,
    }
}

#[cfg(test)]
mod tests;
