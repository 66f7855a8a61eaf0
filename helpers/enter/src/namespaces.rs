//! The namespaces of a vassal, made by clone3(2) at the start and by unshare(2) for hooks.

use nix::sched::{CloneFlags, unshare};
use vassal_config::hooks::namespaces::{Namespace, Namespaces};
use vassal_sys::error::Context;
use vassal_sys::proc::Proc;
use vassal_sys::{SysError, caps, mounts};

/// The flags of clone3(2) and unshare(2) for `namespaces`.
pub fn clone_flags(namespaces: Namespaces) -> CloneFlags {
    let flag = |kind| match kind {
        Namespace::Mount => CloneFlags::CLONE_NEWNS,
        Namespace::Pid => CloneFlags::CLONE_NEWPID,
        Namespace::Ipc => CloneFlags::CLONE_NEWIPC,
        Namespace::Uts => CloneFlags::CLONE_NEWUTS,
        Namespace::Net => CloneFlags::CLONE_NEWNET,
    };
    namespaces.kinds().map(flag).collect()
}

/// Separates new namespaces from the host's: mounts do not propagate back, and /proc shows the new PID namespace.
/// Returns a private proc of that namespace, which no hook can unmount or cover.
///
/// # Errors
/// As mount(2), prctl(2).
pub fn isolate(namespaces: Namespaces) -> Result<Proc, SysError> {
    let Namespaces { mount, pid, .. } = namespaces;
    caps::become_subreaper()?;
    if mount {
        mounts::make_all_slave()?;
        if pid {
            mounts::replace_proc()?;
            return mounts::copy_of_proc();
        }
    }
    mounts::detached_proc()
}

/// Leaves the present namespaces for new ones. Mounts made there never reach the host (NS-2).
///
/// # Errors
/// As unshare(2), mount(2).
pub fn leave(namespaces: Namespaces) -> Result<(), SysError> {
    unshare(clone_flags(namespaces)).context(|| "unshare namespaces")?;
    if namespaces.mount {
        mounts::make_all_slave()?;
    }
    Ok(())
}
