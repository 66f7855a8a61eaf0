//! Signs to verdicts. Pure: no clock, no kernel; what was seen goes in, what it means comes out.

use nix::errno::Errno;
use std::fmt;
use std::time::Duration;
use vassal_sys::mountinfo::{self, Mount};

/// What is wrong with a mountpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its filesystem answers with an error: nobody stands behind it any more.
    Dead(Errno),
    /// Its filesystem does not answer.
    Hung(Silence),
    /// Nothing is mounted there any more.
    Gone,
    /// Something else is mounted there.
    Replaced,
}

/// What a filesystem that hangs has left unanswered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// A probe.
    Probe,
    /// A request of one of the vassal's processes, for this long, while probes are answered.
    Request(Duration),
}

impl Verdict {
    /// The word of `VASSAL_VERDICT=`.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Dead(_) => "dead",
            Verdict::Hung(_) => "hung",
            Verdict::Gone => "gone",
            Verdict::Replaced => "replaced",
        }
    }

    /// `MESSAGE_ID=` of the event, as in units/vassal.catalog.
    pub fn message_id(self) -> &'static str {
        match self {
            Verdict::Dead(_) => "363e9edddcee41299bd840537e5604ee",
            Verdict::Hung(_) => "7f072125abb84fd0bcddf950da97cc6f",
            Verdict::Gone => "f393e907e9d843ba860abed9cd69c3c3",
            Verdict::Replaced => "130b0ed25e5649878cdc00644f558fac",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Dead(errno) => write!(f, "dead ({errno:?})"),
            Verdict::Hung(Silence::Probe) => f.write_str("hung (no answer within the deadline)"),
            Verdict::Hung(Silence::Request(time)) => {
                let seconds = time.as_secs_f32();
                write!(
                    f,
                    "hung (a request unanswered for {seconds} s while statfs is answered)"
                )
            }
            Verdict::Gone => f.write_str("gone (unmounted)"),
            Verdict::Replaced => f.write_str("replaced (another filesystem is mounted there)"),
        }
    }
}

/// What mountinfo says of the mountpoint of `expected`: `None` while the same mount is on top there.
pub fn judge_mounts(expected: &Mount, now: &[Mount]) -> Option<Verdict> {
    match mountinfo::top(now, &expected.mountpoint) {
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

/// What a probe's exit code says: the errno of statfs(2), 0 for an answer.
pub fn judge_answer(code: i32) -> Option<Verdict> {
    (code != 0).then(|| Verdict::Dead(Errno::from_raw(code)))
}

/// What the state of a probe that has had its time says: one that sleeps (`S`, or `D` once its request was read)
/// waits for the filesystem; one that could not run (`R`, `T`: a busy machine, a stopped unit) is no evidence.
pub fn judge_silence(state: Option<u8>) -> Option<Verdict> {
    matches!(state, Some(b'S' | b'D')).then_some(Verdict::Hung(Silence::Probe))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(id: u32, minor: u32, fstype: &str) -> Mount {
        Mount {
            id,
            parent: 1,
            major: 0,
            minor,
            mountpoint: b"/app".to_vec(),
            fstype: fstype.into(),
            owner: (20001, 20001),
            writable: true,
            is_slave: false,
        }
    }

    #[test]
    fn the_same_mount_under_another_parent_is_no_verdict() {
        let expected = mount(40, 51, "fuse.fuse-zip");
        let mut now = expected.clone();
        now.parent = 7;
        assert_eq!(judge_mounts(&expected, &[now]), None);
    }

    #[test]
    fn an_empty_place_is_gone_and_another_mount_is_replaced() {
        let expected = mount(40, 51, "fuse.fuse-zip");
        assert_eq!(judge_mounts(&expected, &[]), Some(Verdict::Gone));
        let another_major = Mount {
            major: 8,
            ..expected.clone()
        };
        let others = [
            ("all", mount(41, 52, "tmpfs")),
            ("mount id", mount(41, 51, "fuse.fuse-zip")),
            ("device's major number", another_major),
            ("device's minor number", mount(40, 52, "fuse.fuse-zip")),
            ("type", mount(40, 51, "fuse.squashfuse")),
        ];
        for (what, other) in others {
            let verdict = judge_mounts(&expected, &[other]);
            assert_eq!(verdict, Some(Verdict::Replaced), "another {what}");
        }
        let mut over = mount(41, 52, "tmpfs");
        over.parent = 40;
        assert_eq!(
            judge_mounts(&expected, &[expected.clone(), over]),
            Some(Verdict::Replaced)
        );
    }

    #[test]
    fn a_probe_that_could_not_run_is_no_evidence() {
        assert_eq!(judge_silence(Some(b'S')), Some(Verdict::Hung(Silence::Probe)));
        assert_eq!(judge_silence(Some(b'D')), Some(Verdict::Hung(Silence::Probe)));
        assert_eq!(judge_silence(Some(b'R')), None);
        assert_eq!(judge_silence(Some(b'T')), None);
        assert_eq!(judge_silence(None), None);
    }

    #[test]
    fn an_answer_is_healthy_and_an_errno_is_dead() {
        assert_eq!(judge_answer(0), None);
        assert_eq!(judge_answer(107), Some(Verdict::Dead(Errno::ENOTCONN)));
        assert_eq!(Verdict::Dead(Errno::ENOTCONN).to_string(), "dead (ENOTCONN)");
    }

    #[test]
    fn a_request_that_hangs_is_told_with_its_time() {
        let verdict = Verdict::Hung(Silence::Request(Duration::from_millis(900)));
        assert_eq!(verdict.word(), "hung");
        assert_eq!(
            verdict.to_string(),
            "hung (a request unanswered for 0.9 s while statfs is answered)"
        );
    }
}
