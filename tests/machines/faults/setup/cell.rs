//! The cells of the matrix: what must come of a fault, and which faults cannot be.

use crate::filesystem::{Below, Daemon, Mounter};
use crate::setup::tenant::Tenant;

/// A way to lose a mountpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The daemon gets SIGKILL.
    Kill,
    /// It gets SIGSTOP.
    Stop,
    /// It gets SIGSEGV.
    Segfault,
    /// It is asked to end (SIGTERM) and exits with 0.
    Exit,
    /// It reads requests and answers none.
    Deadlock,
    /// root unmounts.
    Unmount,
    /// root unmounts lazily.
    UnmountLazily,
    /// The tenant unmounts, with fusermount.
    UnmountByTenant,
    /// root mounts a tmpfs over it.
    MountOver,
    /// root mounts a directory of the same filesystem over it: the device stays.
    BindOver,
    /// The daemon gets SIGKILL before the app is started.
    KillDuringStart,
}

/// All of them. The last one needs a start of its own.
pub const FAULTS: [Fault; 11] = [
    Fault::Kill,
    Fault::Stop,
    Fault::Segfault,
    Fault::Exit,
    Fault::Deadlock,
    Fault::Unmount,
    Fault::UnmountLazily,
    Fault::UnmountByTenant,
    Fault::MountOver,
    Fault::BindOver,
    Fault::KillDuringStart,
];

/// The verdicts of which one must come, or why there is no such cell.
pub fn expected(tenant: &Tenant, fault: Fault) -> Result<&'static [&'static str], &'static str> {
    let daemon = tenant.daemon;
    match fault {
        Fault::Deadlock if tenant.below == Below::Faultfs => Ok(&["hung"]),
        _ if tenant.below == Below::Faultfs => Err("that is the plain vassal's"),
        Fault::Deadlock | Fault::Stop if tenant.below == Below::Debian => Ok(&["hung"]),
        Fault::Kill | Fault::Segfault if tenant.below == Below::Debian => Ok(&["dead"]),
        _ if tenant.below == Below::Debian => Err("nobody unmounts the root, or mounts over it"),
        Fault::Unmount | Fault::UnmountLazily => Ok(&["gone"]),
        Fault::MountOver => Ok(&["replaced"]),
        Fault::BindOver if !tenant.shows_a_directory() => Err("root finds no directory in it"),
        Fault::BindOver => Ok(&["replaced"]),
        _ if daemon.is_kernels() => Err("there is no daemon"),
        Fault::UnmountByTenant => match (daemon, tenant.mounter) {
            (Daemon::Bind | Daemon::OverlayOnFaultfs, _) => {
                Err("fusermount unmounts what it could have mounted")
            }
            (_, Mounter::User | Mounter::UserForAll) => Ok(&["gone"]),
            (_, Mounter::Root | Mounter::RootAlone | Mounter::Other) => {
                Err("fusermount unmounts for its owner only")
            }
        },
        Fault::Deadlock if !daemon.is_ours() => Err("that is the vassal's whose daemon stands on faultfs"),
        Fault::Deadlock | Fault::Exit if !tenant.is_readable() => Err("the app cannot ask for it"),
        Fault::Stop | Fault::Deadlock => Ok(&["hung"]),
        // libfuse, when it is asked to end, leaves the connection and then unmounts (strace(1)): between the two it is dead.
        Fault::Exit if !daemon.is_ours() => Ok(&["gone", "dead"]),
        Fault::Exit | Fault::Kill | Fault::Segfault | Fault::KillDuringStart => Ok(&["dead"]),
    }
}
