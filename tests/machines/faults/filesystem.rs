//! The filesystems of the matrix: what serves them, whose they are, what they stand on.

use vassal_tests::Suite;

/// What serves a mountpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Daemon {
    /// libfuse 2, one thread.
    FuseZip,
    /// libfuse 2, many threads; Debian 12.
    Unionfs,
    /// libfuse 3.
    FuseOverlayfs,
    /// Ours: tests/rig/bin/faultfs.
    Faultfs,
    /// libfuse, of an image.
    Squashfuse,
    /// The kernel.
    Overlay,
    /// The kernel, with faultfs below.
    OverlayOnFaultfs,
    /// A bind mount of faultfs.
    Bind,
    /// The kernel, in memory.
    Tmpfs,
}

impl Daemon {
    /// The usual ones of a suite.
    pub fn of(suite: Suite) -> [Daemon; 4] {
        let union = match suite {
            Suite::Bookworm => Daemon::Unionfs,
            Suite::Trixie => Daemon::FuseOverlayfs,
        };
        [Daemon::FuseZip, union, Daemon::Faultfs, Daemon::Overlay]
    }

    /// The name of its process.
    pub fn process(self) -> &'static str {
        match self {
            Daemon::FuseZip => "fuse-zip",
            Daemon::Unionfs => "unionfs-fuse",
            Daemon::FuseOverlayfs => "fuse-overlayfs",
            Daemon::Faultfs | Daemon::OverlayOnFaultfs | Daemon::Bind => "faultfs",
            Daemon::Squashfuse => "squashfuse",
            Daemon::Overlay | Daemon::Tmpfs => "none",
        }
    }

    /// Whether nobody stands behind it but the kernel.
    pub fn is_kernels(self) -> bool {
        matches!(self, Daemon::Overlay | Daemon::Tmpfs)
    }

    /// Whether its process is ours.
    pub fn is_ours(self) -> bool {
        self.process() == "faultfs"
    }

    /// The archive that it serves, if it does.
    pub fn archive(self) -> Option<&'static str> {
        match self {
            Daemon::FuseZip => Some("app.zip"),
            Daemon::Squashfuse => Some("app.sqsh"),
            Daemon::Unionfs
            | Daemon::FuseOverlayfs
            | Daemon::Faultfs
            | Daemon::Overlay
            | Daemon::OverlayOnFaultfs
            | Daemon::Bind
            | Daemon::Tmpfs => None,
        }
    }

    /// The word for it in a vassal's name.
    pub fn word(self) -> &'static str {
        match self {
            Daemon::FuseZip => "zip",
            Daemon::Unionfs => "union",
            Daemon::FuseOverlayfs => "fuseoverlay",
            Daemon::Faultfs => "fault",
            Daemon::Squashfuse => "squash",
            Daemon::Overlay => "overlay",
            Daemon::OverlayOnFaultfs => "overfault",
            Daemon::Bind => "bind",
            Daemon::Tmpfs => "tmpfs",
        }
    }
}

/// Whose a mount is. The app is user001 in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mounter {
    /// root, with allow_other.
    Root,
    /// root, without: the app cannot read it.
    RootAlone,
    /// user001, without.
    User,
    /// user001, with allow_other.
    UserForAll,
    /// user002, with allow_other.
    Other,
}

impl Mounter {
    /// Its user.
    pub fn uid(self) -> u32 {
        match self {
            Mounter::Root | Mounter::RootAlone => 0,
            Mounter::User | Mounter::UserForAll => 20001,
            Mounter::Other => 20002,
        }
    }

    /// Whether allow_other is among its options.
    pub fn allows_others(self) -> bool {
        match self {
            Mounter::Root | Mounter::UserForAll | Mounter::Other => true,
            Mounter::RootAlone | Mounter::User => false,
        }
    }
}

/// What the files come from that a daemon serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Below {
    /// A directory.
    Directory,
    /// faultfs, so that the daemon itself can be made to wait for ever while it answers a request.
    Faultfs,
    /// A whole Debian: what is mounted is the root of the vassal.
    Debian,
}
