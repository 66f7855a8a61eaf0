//! How often a mountpoint is asked with statfs(2), which costs a process each time. A filesystem whose failure
//! raises an event is asked every 120 s only: the end or the stop of its daemon is a SIGCHLD, and a request that it leaves without an
//! answer is seen in fusectl (hang/monitor.rs).

use std::time::Duration;
use vassal_sys::mountinfo::Mount;

/// The time between two probes of a filesystem whose failure raises an event. What is left for them is a daemon that hangs while no
/// request is sent to it; that harms nothing until a request is sent, and is seen then.
const SELDOM: Duration = Duration::from_secs(120);

/// How long a probe of a host's filesystem may stay without an answer at least, while no process of the vassal waits for it.
/// It may be busy with what others want of it, for longer than a vassal would let its own take: a daemon with one thread that
/// unpacks a large file answers no other request meanwhile. A restart of the vassal cannot mend it; for a vassal of which a process waits
/// for it the deadline holds (hang/monitor.rs).
const HOST_TIMEOUT: Duration = Duration::from_secs(15);

/// The filesystems in memory and on disks: the kernel itself answers statfs(2).
const ANSWERED_BY_THE_KERNEL: [&[u8]; 9] = [
    b"tmpfs",
    b"ramfs",
    b"ext2",
    b"ext3",
    b"ext4",
    b"xfs",
    b"btrfs",
    b"squashfs",
    b"erofs",
];

/// How long a filesystem may leave a request unanswered whose file does not say it. It is enough for archives and uploads, too:
/// time in which their daemon moves bytes does not count (processes/progress.rs).
const DEADLINE: Duration = Duration::from_secs(3);
/// The same where a server has to answer, over a network that may lose some of it and send it again.
const DEADLINE_OF_NETWORKS: Duration = Duration::from_secs(10);
/// The filesystems that have a network below. davfs2 has the bare name (measured), and so has every daemon that does not say
/// what it is.
const OVER_A_NETWORK: [&[u8]; 23] = [
    b"nfs",
    b"nfs4",
    b"cifs",
    b"smb3",
    b"9p",
    b"ceph",
    b"afs",
    b"lustre",
    b"fuse",
    b"fuse.davfs",
    b"fuse.davfs2",
    b"fuse.sshfs",
    b"fuse.rclone",
    b"fuse.s3fs",
    b"fuse.goofys",
    b"fuse.gcsfuse",
    b"fuse.mount-s3",
    b"fuse.curlftpfs",
    b"fuse.ceph-fuse",
    b"fuse.glusterfs",
    b"fuse.juicefs",
    b"fuse.seaweedfs",
    b"fuse.afp",
];

/// How long a filesystem of this type may leave a request unanswered; `told` is zero where the file does not say it.
pub fn deadline(fstype: &[u8], told: Duration) -> Duration {
    match told {
        told if !told.is_zero() => told,
        _ if OVER_A_NETWORK.contains(&fstype) => DEADLINE_OF_NETWORKS,
        _ => DEADLINE,
    }
}

/// How often a mountpoint is probed, and how long an answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// The time between two probes.
    pub interval: Duration,
    /// How long a probe may stay without an answer.
    pub timeout: Duration,
    /// How long a process of the vassal may wait for an answer.
    pub deadline: Duration,
}

impl Schedule {
    /// That of a mountpoint of which nothing is known yet; `interval` is zero where the file does not say it. A hang that
    /// nothing announces is told within the interval and the deadline.
    pub fn new(interval: Duration, deadline: Duration) -> Self {
        Self {
            interval: if interval.is_zero() {
                deadline / 4
            } else {
                interval
            },
            timeout: deadline,
            deadline,
        }
    }

    /// That of a FUSE filesystem which is not the vassal's own: while no process of the vassal waits for it, it has longer.
    pub fn of_host(self) -> Self {
        Self {
            timeout: HOST_TIMEOUT.max(self.timeout),
            ..self
        }
    }

    /// That of a filesystem whose trouble shows by itself.
    pub fn seldom(self) -> Self {
        Self {
            interval: SELDOM.max(self.interval),
            ..self
        }
    }
}

/// Whether the trouble of `mount` shows by itself.
pub fn shows_by_itself(mount: &Mount, is_own: bool, daemons_are_children: bool) -> bool {
    let is_answered_here = mount.is_fuse() && is_own && daemons_are_children;
    is_answered_here || ANSWERED_BY_THE_KERNEL.contains(&mount.fstype.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shows(fstype: &str, is_own: bool, daemons_are_children: bool) -> bool {
        let mount = Mount {
            id: 1,
            parent: 0,
            major: 0,
            minor: 51,
            mountpoint: b"/app".to_vec(),
            fstype: fstype.into(),
            owner: (0, 0),
            writable: true,
            is_slave: false,
        };
        shows_by_itself(&mount, is_own, daemons_are_children)
    }

    #[test]
    fn only_what_nobody_tells_of_is_asked_often() {
        assert!(shows("fuse.fuse-zip", true, true));
        assert!(!shows("fuse.fuse-zip", false, true));
        assert!(!shows("fuse.fuse-zip", true, false));
        assert!(shows("tmpfs", false, false));
        for fstype in ["overlay", "nfs4", "cifs"] {
            assert!(!shows(fstype, true, true), "{fstype}");
        }
    }

    #[test]
    fn a_network_has_longer_unless_the_file_says_otherwise() {
        let second = Duration::from_secs(1);
        assert_eq!(deadline(b"fuse.fuse-zip", Duration::ZERO), 3 * second);
        assert_eq!(deadline(b"fuse.sshfs", Duration::ZERO), 10 * second);
        assert_eq!(deadline(b"fuse.sshfs", second), second);
    }

    #[test]
    fn a_hang_that_nothing_announces_is_told_soon_after_the_deadline() {
        let second = Duration::from_secs(1);
        let schedule = Schedule::new(Duration::ZERO, 3 * second);
        assert_eq!(
            (schedule.interval, schedule.timeout),
            (second * 3 / 4, 3 * second)
        );
        assert_eq!(schedule.seldom().interval, SELDOM);
        let of_host = schedule.of_host();
        assert_eq!((of_host.timeout, of_host.deadline), (HOST_TIMEOUT, 3 * second));
        assert_eq!(Schedule::new(second, 60 * second).of_host().timeout, 60 * second);
        assert_eq!(Schedule::new(second, 3 * second).interval, second);
        assert_eq!(
            Schedule::new(Duration::ZERO, 600 * second).seldom().interval,
            150 * second
        );
    }
}
