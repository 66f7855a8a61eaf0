//! How often a mountpoint is asked with statfs(2), which costs a process each time. A filesystem whose failure raises
//! an event is asked only every 120 s: when its daemon ends or stops there is a SIGCHLD, and an unanswered request is
//! seen in fusectl (hang/monitor.rs).

use std::time::Duration;
use vassal_sys::mountinfo::Mount;

/// The time between two probes of a filesystem whose failure raises an event. They are needed only for a daemon that
/// hangs while no request is sent to it; that does no harm until a request is sent, and is noticed then.
const SELDOM: Duration = Duration::from_secs(120);

/// How long a probe of a host's filesystem may remain unanswered at least, while no process of the vassal waits for the
/// filesystem. It may be busy with the host's other processes for longer than a vassal would let its own filesystem be:
/// a daemon with one thread that unpacks a large file answers nothing meanwhile, and a restart of the vassal would not
/// help. If a process of the vassal waits for it, the normal deadline applies (hang/monitor.rs).
const HOST_TIMEOUT: Duration = Duration::from_secs(15);

/// Filesystems in memory and on disks, for which the kernel itself answers statfs(2).
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

/// The default deadline: how long a filesystem may leave a request unanswered. It is sufficient for archives and
/// uploads, too, because time in which the daemon moves bytes does not count (processes/progress.rs).
const DEADLINE: Duration = Duration::from_secs(3);
/// The default deadline where a server has to answer over a network that may lose and resend packets.
const DEADLINE_OF_NETWORKS: Duration = Duration::from_secs(10);
/// Filesystems that use a network. davfs2 has the bare type `fuse` (measured), as has every daemon that sets no
/// subtype.
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

/// The deadline of a filesystem of this type; `told` is the one in the vassal's file, or zero.
pub fn deadline(fstype: &[u8], told: Duration) -> Duration {
    match told {
        told if !told.is_zero() => told,
        _ if OVER_A_NETWORK.contains(&fstype) => DEADLINE_OF_NETWORKS,
        _ => DEADLINE,
    }
}

/// How often a mountpoint is probed, and how long answers may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// The time between two probes.
    pub interval: Duration,
    /// How long a probe may remain unanswered.
    pub timeout: Duration,
    /// How long a process of the vassal may wait for an answer.
    pub deadline: Duration,
}

impl Schedule {
    /// The schedule of a mountpoint of which nothing is known yet; `interval` is zero where the file has none. A hang
    /// without an event is reported within the interval plus the deadline.
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

    /// The schedule for a FUSE filesystem of the host's, which has more time while no process of the vassal waits for
    /// it.
    pub fn of_host(self) -> Self {
        Self {
            timeout: HOST_TIMEOUT.max(self.timeout),
            ..self
        }
    }

    /// The schedule for a filesystem whose failure raises an event.
    pub fn seldom(self) -> Self {
        Self {
            interval: SELDOM.max(self.interval),
            ..self
        }
    }
}

/// Whether a failure of `mount` raises an event.
pub fn raises_event(mount: &Mount, is_own: bool, daemons_are_children: bool) -> bool {
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
        raises_event(&mount, is_own, daemons_are_children)
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
