//! Signs to verdicts. Pure: no clock, no kernel; what was seen goes in, what it means comes out.

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
    /// Its filesystem answers with an error: it has no daemon any more.
    Dead(Errno),
    /// Its filesystem does not answer.
    Hung(Silence),
    /// Nothing is mounted there any more.
    Gone,
    /// Something else is mounted there.
    Replaced,
    /// It is mounted somewhere else: a directory above it was renamed, or the mount moved.
    Moved,
    /// Nothing is known: so many probes were kept from asking, this one last, and no other had an answer for a deadline.
    Disturbed(u32, Disturbance),
}

/// What a filesystem that hangs has left unanswered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// A probe.
    Probe,
    /// A request of one of the vassal's processes, for this long, while probes are answered.
    Request(Duration),
}

/// What a verdict is called, and what follows from it.
impl Verdict {
    /// How it is said.
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

    /// The error with which the filesystem has answered.
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

    /// Whether processes may wait for the filesystem, so that its connection has to be ended before they can be.
    pub fn leaves_waiting(self) -> bool {
        match self {
            Verdict::Hung(_) | Verdict::Disturbed(..) => true,
            Verdict::Dead(_) | Verdict::Gone | Verdict::Replaced | Verdict::Moved => false,
        }
    }

    /// Whether the daemon saves what was written all the same: now, as its filesystem has been unmounted, or when that is unmounted with
    /// the others, as it is mounted somewhere else.
    pub fn loses_nothing(self) -> bool {
        match self {
            Verdict::Gone | Verdict::Moved => true,
            Verdict::Dead(_) | Verdict::Hung(_) | Verdict::Replaced | Verdict::Disturbed(..) => false,
        }
    }

    /// Which deadline was missed, if one was; `timeout` is that of a probe.
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

/// Whether `found` says anything of what has become of `expected`: it is at its place, or may be itself at another.
pub fn concerns(expected: &Mount, found: &Mount) -> bool {
    expected.mountpoint == found.mountpoint || expected.id == found.id
}

/// What mountinfo says of the mountpoint of `expected`: `None` while the same mount is on top there.
pub fn judge_mounts(expected: &Mount, now: &[Mount]) -> Option<Verdict> {
    match mountinfo::top(now, &expected.mountpoint) {
        None if now.iter().any(|mount| is_same(expected, mount)) => Some(Verdict::Moved),
        None => Some(Verdict::Gone),
        Some(top) if is_same(expected, top) => None,
        Some(_) => Some(Verdict::Replaced),
    }
}

/// Whether `found` is the mount `expected`. Ids and device numbers are reused, so all must agree; the parent may
/// change when the old root is unmounted from below.
pub fn is_same(expected: &Mount, found: &Mount) -> bool {
    let identity = |mount: &Mount| (mount.id, mount.major, mount.minor, mount.fstype.clone());
    identity(expected) == identity(found)
}

/// What a probe has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The filesystem answers.
    Healthy,
    /// It answers that it is not well.
    Bad(Verdict),
    /// Perhaps not the filesystem was asked, but a path that does not lead to it any more: mountinfo knows. If that has
    /// nothing to say, this is the verdict; without one, the path was changed and changed back.
    Elsewhere(Option<Verdict>),
}

/// What a probe's exit code says: the errno of the call that failed, 0 for an answer.
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

/// What a probe does that has had no answer yet, as its state in proc says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// It waits for the filesystem (`S`, or `D` once its request was read).
    Asks,
    /// It is stopped (`T`, or `t` by a debugger).
    Stands,
    /// It could run (`R`), and did not get the processor; or it has ended just now.
    Runs,
}

/// What the state of a probe says that has not ended.
pub fn judge_state(state: Option<u8>) -> Waiting {
    match state {
        Some(b'S' | b'D') => Waiting::Asks,
        Some(b'T' | b't') => Waiting::Stands,
        _ => Waiting::Runs,
    }
}

#[cfg(test)]
mod tests;
