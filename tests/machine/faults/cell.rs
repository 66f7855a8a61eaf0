//! The cells of the matrix: what must come of a fault, and which faults cannot be.

use crate::tenant::{Below, Daemon, Mounter, Tenant};

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
    /// The daemon gets SIGKILL before the app is started.
    KillDuringStart,
}

/// All of them. The last one needs a start of its own.
pub const FAULTS: [Fault; 10] = [
    Fault::Kill,
    Fault::Stop,
    Fault::Segfault,
    Fault::Exit,
    Fault::Deadlock,
    Fault::Unmount,
    Fault::UnmountLazily,
    Fault::UnmountByTenant,
    Fault::MountOver,
    Fault::KillDuringStart,
];

/// The verdict that must come, or why there is no such cell.
pub fn expected(tenant: &Tenant, fault: Fault) -> Result<&'static str, &'static str> {
    match (fault, tenant.daemon, tenant.mounter) {
        (Fault::Deadlock, _, _) if tenant.below == Below::Faultfs => Ok("hung"),
        (_, _, _) if tenant.below == Below::Faultfs => Err("that is the plain vassal's"),
        (Fault::Deadlock, Daemon::FuseZip | Daemon::Unionfs | Daemon::FuseOverlayfs, _) => {
            Err("that is the vassal's whose daemon stands on faultfs")
        }
        (_, Daemon::Overlay, Mounter::User) => Err("only root mounts an overlay"),
        (Fault::Unmount | Fault::UnmountLazily, _, _) => Ok("gone"),
        (Fault::MountOver, _, _) => Ok("replaced"),
        (_, Daemon::Overlay, Mounter::Root) => Err("an overlay has no daemon"),
        (Fault::UnmountByTenant, _, Mounter::Root) => Err("fusermount unmounts for its owner only"),
        (Fault::UnmountByTenant, _, Mounter::User) => Ok("gone"),
        (Fault::Stop | Fault::Deadlock, _, _) => Ok("hung"),
        // libfuse unmounts when it is asked to end; ours does not.
        (Fault::Exit, Daemon::FuseZip | Daemon::Unionfs | Daemon::FuseOverlayfs, _) => Ok("gone"),
        (Fault::Exit, Daemon::Faultfs, _) => Ok("dead"),
        (Fault::Kill | Fault::Segfault | Fault::KillDuringStart, _, _) => Ok("dead"),
    }
}
