//! Changes the mounts of a namespace: propagation, proc, pivot_root, unmounting.

use crate::error::{Context, SysError};
use crate::files::reach::{self, Last, Place, within};
use crate::mounts::attach::{self, Depth};
use crate::process::proc::Proc;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{chdir, pivot_root};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use vassal_escape::printable;

const NONE: Option<&str> = None;
/// The flags with which a proc is mounted.
const PROC: MsFlags = MsFlags::MS_NOSUID
    .union(MsFlags::MS_NODEV)
    .union(MsFlags::MS_NOEXEC);

/// Makes every mount of this namespace a slave of the host's: the host's unmounts still arrive, and no mount made here
/// reaches the host (mount_namespaces(7); the leak of NS-2 cannot happen). Only to be called in a mount namespace of
/// the vassal's own.
///
/// # Errors
/// `EINVAL` where `/` is no mount point.
pub fn make_all_slave() -> Result<(), SysError> {
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_SLAVE, NONE)
        .context(|| "make all mounts slaves of the host's")
}

/// Mounts a new proc of the current PID namespace on `/proc`. The host's proc is detached first, so that it is not left
/// underneath.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN`; `ENOENT` without a `/proc` directory.
pub fn replace_proc() -> Result<(), SysError> {
    match umount2("/proc", MntFlags::MNT_DETACH) {
        Ok(()) | Err(Errno::EINVAL) => {}
        Err(errno) => return Err(SysError::new("detach the host's /proc", errno)),
    }
    mount(Some("proc"), "/proc", Some("proc"), PROC, NONE).context(|| "mount a fresh 'proc' on '/proc'")
}

/// Copies the mount on `/proc`, which must be a new proc ([`replace_proc`]), without mounting the copy anywhere. It
/// gives the same as [`detached_proc`] and costs less (open_tree(2)).
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN`.
pub fn copy_of_proc() -> Result<Proc, SysError> {
    let proc = open(
        "/proc",
        OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
        Mode::empty(),
    );
    proc.and_then(|proc| attach::copy(&proc, Depth::This))
        .map(Proc::from)
        .context(|| "make a private 'proc'")
}

/// Makes a proc of the current PID namespace that is not mounted anywhere: only this descriptor leads to it, so no
/// mount of a tenant can replace it and no pivot_root can lose it (fsopen(2), fsmount(2)).
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN`.
pub fn detached_proc() -> Result<Proc, SysError> {
    attach::filesystem(b"proc", b"proc", PROC, None)
        .map(Proc::from)
        .context(|| "make a private 'proc'")
}

/// Unmounts what is mounted at `place` (umount2(2)); a link there is not followed.
///
/// # Errors
/// Any error of the kernel; `EINVAL` with its meaning here.
pub fn detach(place: Place, shown: &Path, flags: MntFlags) -> Result<(), SysError> {
    let Place {
        directory,
        name,
        object,
        ..
    } = place;
    // Closed first: a descriptor of the mount would keep it busy.
    drop(object);
    within(&directory, || {
        umount2(Path::new(&name), flags | MntFlags::UMOUNT_NOFOLLOW)
    })
    .map_err(|errno| {
        SysError::new(format!("unmount '{}'", display(shown)), errno)
            .meaning((errno == Errno::EINVAL).then_some("it is not a mountpoint"))
    })
}

/// Makes `new` the root of this mount namespace and moves the old root to `old`, a path as seen from the old root and
/// below `new` (ORD-7). Afterwards the working directory is the new root. The namespace must have no shared mounts
/// ([`make_all_slave`]). Returns a descriptor of the old root.
///
/// # Errors
/// `EINVAL` or `EBUSY` when `new` is not a mountpoint, `ENOENT` when `old` does not exist; each with its meaning.
pub fn pivot(proc: &Proc, new: &Path, old: &Path) -> Result<OwnedFd, SysError> {
    let step = || format!("pivot_root to '{}', old root at '{}'", display(new), display(old));
    let inside = old.strip_prefix(new).map_err(|_| {
        SysError::new(step(), Errno::EINVAL)
            .meaning(Some("the place for the old root is not below the new root"))
    })?;
    let top = reach::place(new, Last::Followed).map_err(|errno| not_reached(step(), errno))?;
    let top = top.object().context(step)?;
    let missing = |errno| {
        let meaning = (errno == Errno::ENOENT).then_some("the directory for the old root does not exist");
        match meaning {
            Some(_) => SysError::new(step(), errno).meaning(meaning),
            None => not_reached(step(), errno),
        }
    };
    let below = reach::place_below(top, inside, Last::Kept).map_err(missing)?;
    let below = below.object().map_err(missing)?;
    if fstat(below).is_ok_and(|status| reach::is_link(&status)) {
        let meaning = "the place for the old root is a symbolic link";
        return Err(SysError::new(step(), Errno::ELOOP).meaning(Some(meaning)));
    }
    let before = reach::root().context(step)?;
    let [new, old] = [top, below].map(|place| format!("self/fd/{}", place.as_raw_fd()));
    // pivot_root(2) refuses a new root or parent that is shared. Slaves of shared mounts are not shared.
    within(proc, || pivot_root(new.as_str(), old.as_str())).map_err(|errno| {
        SysError::new(step(), errno).meaning(match errno {
            // EBUSY: it is on the present root mount. EINVAL: it is another directory without a mount (pivot_root(2)).
            Errno::EINVAL | Errno::EBUSY => Some("the new root is not a mountpoint"),
            Errno::ENOTDIR => Some("the place for the old root is not a directory"),
            _ => None,
        })
    })?;
    chdir("/").context(|| "enter the new root")?;
    Ok(before)
}

/// Whether the mount of `root` still belongs to this mount namespace: only then can it be copied (open_tree(2)).
pub fn is_mounted(root: &OwnedFd) -> bool {
    attach::copy(root, Depth::This).is_ok()
}

fn not_reached(step: String, errno: Errno) -> SysError {
    SysError::new(step, errno).meaning((errno == Errno::ELOOP).then_some(reach::NOT_FOLLOWED))
}

fn display(path: &Path) -> String {
    printable(path.as_os_str().as_bytes())
}
