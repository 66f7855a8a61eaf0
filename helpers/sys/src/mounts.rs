//! Mounts: propagation, proc, pivot_root, and the way to ask what is mounted without asking a filesystem.

use crate::error::{Step, SysError};
use crate::text::printable;
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const NONE: Option<&str> = None;

/// Makes every mount of this namespace a slave of the host's: host unmounts still arrive, nothing of ours leaves
/// (mount_namespaces(7); the leak of NS-2 cannot happen). Only for a mount namespace of our own.
///
/// # Errors
/// `EINVAL` where `/` is no mount point.
pub fn make_all_slave() -> Result<(), SysError> {
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_SLAVE, NONE)
        .step(|| "make all mounts slaves of the host's")
}

/// Puts a fresh proc of the current PID namespace on `/proc`, in place of the host's, which is detached first so that
/// nothing of it is left underneath.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN`; `ENOENT` without a `/proc` directory.
pub fn replace_proc() -> Result<(), SysError> {
    match umount2("/proc", MntFlags::MNT_DETACH) {
        Ok(()) | Err(Errno::EINVAL) => {}
        Err(errno) => return Err(SysError::new("detach the host's /proc", errno)),
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, NONE).step(|| "mount a fresh 'proc' on '/proc'")
}

/// A copy of the mount on `/proc`, which must be a fresh proc ([`replace_proc`]), that is itself mounted nowhere: what
/// [`detached_proc`] makes, for less (open_tree(2)).
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN`.
pub fn copy_of_proc() -> Result<OwnedFd, SysError> {
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_SYMLINK_NOFOLLOW as libc::c_uint;
    // SAFETY: open_tree takes a C string and two numbers and returns a fresh descriptor. nix has no fd-based mount API.
    let copy = unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, c"/proc".as_ptr(), flags) };
    let copy = Errno::result(copy).step(|| "make a private 'proc'")?;
    // SAFETY: the descriptor was returned one line above and is owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(copy as i32) })
}

/// A proc of the current PID namespace that is mounted nowhere: reachable through this descriptor only, so no mount
/// of a tenant can stand in for it and no pivot_root can lose it (fsopen(2), fsmount(2)).
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN`.
pub fn detached_proc() -> Result<OwnedFd, SysError> {
    let fail = || "make a private 'proc'";
    // SAFETY: fsopen takes a C string and a flag and returns a fresh descriptor. nix has no fd-based mount API.
    let context = unsafe { libc::syscall(libc::SYS_fsopen, c"proc".as_ptr(), libc::FSOPEN_CLOEXEC) };
    let context = Errno::result(context).step(fail)?;
    // SAFETY: the descriptor was returned one line above and is owned by nobody else.
    let context = unsafe { OwnedFd::from_raw_fd(context as i32) };
    // SAFETY: FSCONFIG_CMD_CREATE takes no key, no value and no number.
    let created = unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            libc::FSCONFIG_CMD_CREATE,
            std::ptr::null::<libc::c_char>(),
            std::ptr::null::<libc::c_char>(),
            0,
        )
    };
    Errno::result(created).step(fail)?;
    let attributes = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;
    // SAFETY: fsmount takes the context and two integers and returns a fresh descriptor.
    let mounted = unsafe {
        libc::syscall(
            libc::SYS_fsmount,
            context.as_raw_fd(),
            libc::FSMOUNT_CLOEXEC,
            attributes,
        )
    };
    let mounted = Errno::result(mounted).step(fail)?;
    // SAFETY: as above.
    Ok(unsafe { OwnedFd::from_raw_fd(mounted as i32) })
}

/// Opens `path` below the directory `dir` for reading, close-on-exec.
///
/// # Errors
/// As openat(2).
pub fn open_below(dir: impl AsFd, path: &str) -> Result<File, SysError> {
    use nix::fcntl::{OFlag, openat};
    use nix::sys::stat::Mode;
    let fd = openat(
        dir,
        path,
        OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW,
        Mode::empty(),
    );
    fd.map(File::from).step(|| format!("open '{path}'"))
}

/// mount(2), nothing added: no helper program, no mtab, no mkdir (ACT-6).
///
/// # Errors
/// The kernel's, with a better word where errno's misleads.
pub fn attach(
    fstype: &[u8],
    source: &[u8],
    target: &Path,
    flags: MsFlags,
    options: Option<&[u8]>,
) -> Result<(), SysError> {
    let result = mount(Some(source), target, Some(fstype), flags, options);
    result.map_err(|errno| {
        let step = format!(
            "mount '{}' ({}) on '{}'",
            printable(source),
            printable(fstype),
            printable(target.as_os_str().as_bytes())
        );
        SysError::new(step, errno).meaning(match errno {
            Errno::ENODEV => Some("the kernel knows no such filesystem type"),
            Errno::ENOSPC => Some("the limit of mounts, fs.mount-max, is reached"),
            Errno::ENOENT => Some("source or mountpoint does not exist"),
            _ => None,
        })
    })
}

/// umount2(2).
///
/// # Errors
/// The kernel's; `EINVAL` is told as what it means here.
pub fn detach(target: &Path, flags: MntFlags) -> Result<(), SysError> {
    umount2(target, flags).map_err(|errno| {
        SysError::new(
            format!("unmount '{}'", printable(target.as_os_str().as_bytes())),
            errno,
        )
        .meaning((errno == Errno::EINVAL).then_some("it is not a mountpoint"))
    })
}

/// Makes `new` the root of this mount namespace and leaves the old root at `old`, which is given as seen from the
/// old root and must lie below `new` (ORD-7); the working directory is the new root afterwards. The namespace must
/// have no shared mounts ([`make_all_slave`]).
///
/// # Errors
/// `EINVAL` or `EBUSY` when `new` is no mountpoint, `ENOENT` when `old` is missing, all in words.
pub fn pivot(new: &Path, old: &Path) -> Result<(), SysError> {
    let display = |path: &Path| printable(path.as_os_str().as_bytes());
    let step = || format!("pivot_root to '{}', old root at '{}'", display(new), display(old));
    let inside = old.strip_prefix(new).map_err(|_| {
        SysError::new(step(), Errno::EINVAL)
            .meaning(Some("the place for the old root is not below the new root"))
    })?;
    chdir(new).map_err(|errno| SysError::new(step(), errno))?;
    if inside.symlink_metadata().is_ok_and(|status| status.is_symlink()) {
        let meaning = "the place for the old root is a symbolic link";
        return Err(SysError::new(step(), Errno::ELOOP).meaning(Some(meaning)));
    }
    // pivot_root(2) refuses a shared new root or parent; slaves of the host's shared mounts are not shared.
    pivot_root(".", inside).map_err(|errno| {
        SysError::new(step(), errno).meaning(match errno {
            // EBUSY: it is on the current root mount; EINVAL: it is some other plain directory (pivot_root(2)).
            Errno::EINVAL | Errno::EBUSY => Some("the new root is not a mountpoint"),
            Errno::ENOENT => Some("the directory for the old root does not exist"),
            Errno::ENOTDIR => Some("the place for the old root is not a directory"),
            _ => None,
        })
    })?;
    chdir("/").step(|| "enter the new root")
}

/// What lies at a path, without a request to the filesystem there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The path with every symbolic link resolved, as mountinfo writes it.
    pub path: Vec<u8>,
    /// The id of the mount it is on (field 1 of mountinfo).
    pub mount: u32,
}

/// Resolves `path` to the mount it is on through an `O_PATH` descriptor, which no filesystem is asked for: so this
/// answers also for a dead or hung FUSE mount and for one this process may not enter.
///
/// # Errors
/// `ENOENT`, `EACCES` and the like of open(2); `EIO` when proc does not answer as proc(5) says.
pub fn place(proc: impl AsFd + Copy, path: &Path) -> Result<Place, SysError> {
    use nix::fcntl::{OFlag, open, readlinkat};
    let step = || format!("look at '{}'", printable(path.as_os_str().as_bytes()));
    let fd = open(
        path,
        OFlag::O_PATH | OFlag::O_CLOEXEC,
        nix::sys::stat::Mode::empty(),
    )
    .step(step)?;
    let number = fd.as_raw_fd();
    let real = readlinkat(proc, OsStr::new(&format!("self/fd/{number}"))).step(step)?;
    let text = std::io::read_to_string(open_below(proc, &format!("self/fdinfo/{number}"))?).step(step)?;
    let mount = text
        .lines()
        .find_map(|line| line.strip_prefix("mnt_id:"))
        .and_then(|id| id.trim().parse().ok());
    let mount = mount.ok_or_else(|| SysError::new(step(), Errno::EIO))?;
    Ok(Place {
        path: real.as_bytes().to_vec(),
        mount,
    })
}

/// The names in the directory `path` below `dir`, without `.` and `..`.
///
/// # Errors
/// As openat(2), getdents(2).
pub fn list(dir: impl AsFd, path: &str) -> Result<Vec<String>, SysError> {
    use nix::dir::Dir;
    use nix::fcntl::OFlag;
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut open =
        Dir::openat(dir, path, flags, nix::sys::stat::Mode::empty()).step(|| format!("list '{path}'"))?;
    let names = open
        .iter()
        .filter_map(Result::ok)
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names.filter(|name| name != "." && name != "..").collect())
}
