//! Changes a process's capabilities (capabilities(7)).

use crate::error::{Context, SysError};
use nix::errno::Errno;

/// `CAP_SETPCAP`, which is needed to empty the bounding set.
pub const SETPCAP: u32 = 8;
/// The capabilities that vassal-watchdog needs: to unmount, to become a mount's owner or the vassal's user, to end
/// other users' processes, to read about them and copy their sockets, and to write to fusectl's files, which belong to
/// the mounts' owners. fusermount, which an as-user-atexit hook may run, needs no others (measured with those of FUSE 2
/// and 3).
pub const OF_WATCHDOG: u64 =
    1 << DAC_OVERRIDE | 1 << KILL | 1 << SETGID | 1 << SETUID | 1 << SYS_PTRACE | 1 << SYS_ADMIN;
const DAC_OVERRIDE: u32 = 1;
const KILL: u32 = 5;
const SETGID: u32 = 6;
const SETUID: u32 = 7;
const SYS_PTRACE: u32 = 19;
const SYS_ADMIN: u32 = 21;
/// The highest capability number that is tried. The loop ends earlier, with `EINVAL`, at the first one that the kernel
/// does not know.
const HIGHEST: u32 = 63;
/// `_LINUX_CAPABILITY_VERSION_3` of capset(2).
const VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Makes `kept` (one bit for each capability) the permitted and the effective set, and empties the inheritable and
/// thereby the ambient set.
///
/// # Errors
/// `EPERM` when `kept` holds more than the permitted set does.
pub fn keep_only(kept: u64) -> Result<(), SysError> {
    set(kept, 0)
}

/// As [`keep_only`], with those of `kept` that are in the permitted set.
///
/// # Errors
/// None on supported kernels; errors are reported all the same.
pub fn keep_at_most(kept: u64) -> Result<(), SysError> {
    keep_only(kept & permitted()?)
}

/// Makes `kept` every set of the process, the inheritable and the ambient one included, so that a program which knows
/// nothing of capabilities gets them, too.
///
/// # Errors
/// `EPERM` when `kept` holds more than the permitted set does.
pub fn keep_over_exec(kept: u64) -> Result<(), SysError> {
    set(kept, kept)?;
    let ambient = |what: libc::c_int, capability: u32| {
        let (what, capability) = (what as libc::c_ulong, libc::c_ulong::from(capability));
        let none: libc::c_ulong = 0;
        // SAFETY: PR_CAP_AMBIENT takes integers and touches no memory of ours.
        nix::Error::result(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, what, capability, none, none) })
    };
    ambient(libc::PR_CAP_AMBIENT_CLEAR_ALL, 0).context(|| "clear the ambient capabilities")?;
    for capability in (0..=HIGHEST).filter(|capability| kept >> capability & 1 == 1) {
        ambient(libc::PR_CAP_AMBIENT_RAISE, capability).context(|| "raise an ambient capability")?;
    }
    Ok(())
}

fn permitted() -> Result<u64, SysError> {
    let mut header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let mut sets = [Sets::default(); 2];
    // SAFETY: header and sets have the layout of capget(2) for version 3 (two halves) and outlive the call; pid 0 is the
    // caller. nix has no capget.
    let result = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()) };
    Errno::result(result).context(|| "read the capabilities")?;
    let [low, high] = sets.map(|half| u64::from(half.permitted));
    Ok(high << 32 | low)
}

fn set(kept: u64, inheritable: u64) -> Result<(), SysError> {
    let half = |shift: u32| Sets {
        effective: (kept >> shift) as u32,
        permitted: (kept >> shift) as u32,
        inheritable: (inheritable >> shift) as u32,
    };
    let sets = [half(0), half(32)];
    let header = Header {
        version: VERSION_3,
        pid: 0,
    };
    // SAFETY: header and sets have the layout of capset(2) for version 3 (two halves) and outlive the call; pid 0 is
    // the caller. nix has no capset.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) };
    Errno::result(result)
        .map(drop)
        .context(|| "reduce the capabilities")
}

/// Keeps the permitted set over the next setresuid(2) away from root (`PR_SET_KEEPCAPS`).
///
/// # Errors
/// `EPERM` when `SECBIT_KEEP_CAPS_LOCKED` forbids it.
pub fn keep_over_setuid() -> Result<(), SysError> {
    nix::Error::result(prctl(libc::PR_SET_KEEPCAPS, 1))
        .map(drop)
        .context(|| "keep CAP_SETPCAP over the change of user")
}

/// Reduces the bounding set to `kept`, so that no exec can ever gain another capability. Needs `CAP_SETPCAP`.
///
/// # Errors
/// `EPERM` without `CAP_SETPCAP`.
pub fn limit_bounding_set(kept: u64) -> Result<(), SysError> {
    for capability in (0..=HIGHEST).filter(|capability| kept >> capability & 1 == 0) {
        match nix::Error::result(prctl(libc::PR_CAPBSET_DROP, capability as libc::c_ulong)) {
            Ok(_) => {}
            Err(Errno::EINVAL) => break,
            Err(errno) => return Err(SysError::new("reduce the capability bounding set", errno)),
        }
    }
    Ok(())
}

/// Sets `PR_SET_NO_NEW_PRIVS`: from here on no setuid bit and no file capability has an effect.
///
/// # Errors
/// None on supported kernels; errors are reported all the same.
pub fn no_new_privs() -> Result<(), SysError> {
    nix::Error::result(prctl(libc::PR_SET_NO_NEW_PRIVS, 1))
        .map(drop)
        .context(|| "set no_new_privs")
}

/// Makes the caller the parent of its orphaned descendants, as the init of a PID namespace is anyway
/// (`PR_SET_CHILD_SUBREAPER`).
///
/// # Errors
/// None on supported kernels; errors are reported all the same.
pub fn become_subreaper() -> Result<(), SysError> {
    nix::Error::result(prctl(libc::PR_SET_CHILD_SUBREAPER, 1))
        .map(drop)
        .context(|| "become a subreaper")
}

fn prctl(option: libc::c_int, argument: libc::c_ulong) -> libc::c_int {
    let none: libc::c_ulong = 0;
    // SAFETY: every option used above takes one integer and three zeros and touches no memory of ours.
    unsafe { libc::prctl(option, argument, none, none, none) }
}
