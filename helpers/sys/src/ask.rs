//! A process that asks a filesystem one question and ends: as cheap as one can be, as it is sent for every mountpoint
//! again and again. It makes raw system calls and nothing else, so neither the allocator nor the C library matters in it.

use crate::clone::ensure_single_threaded;
use crate::error::{Step, SysError};
use nix::errno::Errno;
use nix::unistd::Pid;
use std::ffi::CStr;
use std::mem::MaybeUninit;

/// Sends a child that calls statfs(2) on `path` with the user and group id `owner`, no other groups and no blocked
/// signal. Its exit code is 0 for an answer, else the errno of the first call that failed.
///
/// # Errors
/// `EAGAIN` at a limit of processes, `EINVAL` in a process with more than one thread.
pub fn statfs_as(owner: (u32, u32), path: &CStr) -> Result<Pid, SysError> {
    ensure_single_threaded()?;
    // SAFETY: clone with an exit signal and nothing else is fork(2): the child goes on on a copy of this process, which
    // has one thread (checked above). It runs `ask` alone, which makes system calls on that copy and does not return.
    let result = unsafe { bare_fork() };
    match Errno::result(result).step(|| "send a probe")? {
        0 => ask(owner, path),
        pid => Ok(Pid::from_raw(pid as i32)),
    }
}

/// fork(2) without what the C library does around it. Returns twice.
unsafe fn bare_fork() -> libc::c_long {
    let nothing = std::ptr::null_mut::<libc::c_void>();
    let flags = libc::c_long::from(libc::SIGCHLD);
    // SAFETY: without CLONE_VM and with no stack of its own the child goes on on a copy of the caller's (clone(2)).
    unsafe { libc::syscall(libc::SYS_clone, flags, nothing, nothing, nothing, nothing) }
}

/// In the child: the C library's own setresgid(2) and setresuid(2) would talk to threads that are not there.
fn ask((uid, gid): (u32, u32), path: &CStr) -> ! {
    let unblocked: u64 = 0;
    let nothing = std::ptr::null_mut::<libc::c_void>();
    let mut answer = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: each call gets integers, or pointers to memory of the size it reads or fills, which lives until exit_group.
    unsafe {
        let asked = libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const unblocked,
            nothing,
            size_of::<u64>(),
        ) == 0
            && libc::syscall(libc::SYS_setresgid, gid, gid, gid) == 0
            && libc::syscall(libc::SYS_setgroups, 0, nothing) == 0
            // With the last of root's ids go its capabilities (capabilities(7)).
            && libc::syscall(libc::SYS_setresuid, uid, uid, uid) == 0
            && libc::syscall(libc::SYS_statfs, path.as_ptr(), answer.as_mut_ptr()) == 0;
        let code = if asked { 0 } else { Errno::last_raw() };
        loop {
            libc::syscall(libc::SYS_exit_group, code);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::wait::{WaitStatus, waitpid};

    fn code(path: &CStr) -> WaitStatus {
        // The test program has threads; a clone of it may still do what `ask` does.
        // SAFETY: as in `statfs_as`; `ask` makes raw system calls only.
        let pid = unsafe { bare_fork() };
        if pid == 0 {
            let own = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
            ask(own, path)
        }
        waitpid(Pid::from_raw(pid as i32), None).unwrap()
    }

    #[test]
    fn the_exit_code_is_the_errno() {
        let WaitStatus::Exited(_, missing) = code(c"/nonexistent") else {
            panic!("killed")
        };
        // Whoever is not root may not set its groups, not even to none.
        let expected = if nix::unistd::geteuid().is_root() {
            Errno::ENOENT
        } else {
            Errno::EPERM
        };
        assert_eq!(missing, expected as i32);
        if nix::unistd::geteuid().is_root() {
            assert!(matches!(code(c"/"), WaitStatus::Exited(_, 0)));
        }
    }
}
