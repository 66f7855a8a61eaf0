//! Creates processes: clone into new namespaces, and fork.

use crate::descriptors::fds::close_alone;
use crate::error::{Context, SysError};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{ForkResult, Pid};
use std::os::fd::{FromRawFd, OwnedFd};

/// Which of the two processes a call of [`clone3`] or [`fork`] has returned in.
#[derive(Debug)]
pub enum Side {
    /// The caller, with the new process's id in the caller's PID namespace.
    Parent(Pid),
    /// The new process.
    Child,
}

/// Fails in a process with more than one thread, where neither a clone without exec nor a change of credentials is
/// sound. `unshare(CLONE_THREAD)` has no effect but to fail in exactly this case (unshare(2)).
///
/// # Errors
/// `EINVAL` when there is a second thread.
pub fn ensure_single_threaded() -> Result<(), SysError> {
    unshare(CloneFlags::CLONE_THREAD).context(|| "go on: this process has more than one thread")
}

/// Clones the caller into new `namespaces`, as a child of the *caller's parent* (`CLONE_PARENT`). So the new process is
/// a child of systemd, which accepts it as the unit's main process (`MAINPID=`) without "not our child". The caller
/// gets no signal when it ends.
///
/// # Errors
/// Any error of clone3(2); `ENOSYS` before Linux 5.3, `EINVAL` in a process that is itself the init of a namespace.
pub fn clone3(namespaces: CloneFlags) -> Result<Side, SysError> {
    ensure_single_threaded()?;
    let flags = namespaces.bits() as u64 | libc::CLONE_PARENT as u64;
    let arguments = libc::clone_args {
        flags,
        pidfd: 0,
        child_tid: 0,
        parent_tid: 0,
        // With CLONE_PARENT the exit signal is the caller's own, and clone3 requires 0 here.
        exit_signal: 0,
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: 0,
    };
    // SAFETY: the arguments are a complete clone_args with no stack, so the child goes on on a copy of this one, as
    // after fork(2); the process has one thread (checked above), so no lock or allocator state is torn in the copy.
    // nix has no clone3 (nix-rust/nix#1585).
    let result = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const arguments,
            size_of::<libc::clone_args>(),
        )
    };
    match Errno::result(result).context(|| "clone into new namespaces")? {
        0 => Ok(Side::Child),
        pid => Ok(Side::Parent(Pid::from_raw(pid as i32))),
    }
}

/// fork(2) of a single-threaded process.
///
/// # Errors
/// Any error of fork(2), usually `EAGAIN` at a limit of processes.
pub fn fork() -> Result<Side, SysError> {
    ensure_single_threaded()?;
    // SAFETY: one thread (checked above), so everything is as usable in the child as it is here.
    match unsafe { nix::unistd::fork() }.context(|| "fork")? {
        ForkResult::Parent { child } => Ok(Side::Parent(child)),
        ForkResult::Child => Ok(Side::Child),
    }
}

/// As [`fork`], and closes in the child the descriptors that only one process may have ([`ALONE`](crate::fds::ALONE)).
///
/// # Errors
/// As [`fork`].
pub fn fork_apart() -> Result<Side, SysError> {
    let side = fork()?;
    if matches!(side, Side::Child) {
        close_alone();
    }
    Ok(side)
}

/// A pidfd of the process `pid`, a child of the caller; it becomes readable when the process ends (pidfd_open(2)).
///
/// # Errors
/// `ESRCH` when there is no such process.
pub fn pidfd(pid: Pid) -> Result<OwnedFd, SysError> {
    // SAFETY: pidfd_open takes two integers and returns a new descriptor, which nothing else owns yet.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let fd = Errno::result(result).context(|| format!("open process {pid}"))?;
    // SAFETY: as above, `fd` is fresh and ours; pidfds are close-on-exec by themselves.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}
