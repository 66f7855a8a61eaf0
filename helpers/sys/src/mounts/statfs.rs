//! A process that asks a filesystem one question and ends. It is sent to every mountpoint again and again, so it is as
//! cheap as possible: it makes raw system calls only, and touches neither the allocator nor the C library.
//!
//! Measured on Linux 6.18 for all 32 combinations of root's and the owner's ids: a FUSE filesystem accepts a process as
//! its owner's only when the real, effective and saved user and group ids are all the owner's (the file-system id does
//! not matter); and kill(2) reaches a process whose real or saved user id is the sender's. So the owner can stop and
//! kill any process that the filesystem answers, and the caller has to reckon with that (`vassal-watchdog`,
//! `disturbed.rs`).

use crate::descriptors::fds::ALONE;
use crate::error::{Context, SysError};
use crate::process::clone::ensure_single_threaded;
use nix::errno::Errno;
use nix::unistd::Pid;
use std::ffi::CStr;
use std::mem::MaybeUninit;

/// The exit code of a child whose path led to another mount. No errno is as large.
pub const ELSEWHERE: i32 = 255;

/// Forks a child that resolves `path`, checks that it is on the mount with the id `mount`, and calls statfs(2) on it,
/// with the user and group id `owner`, no supplementary groups and no blocked signals. Its exit code is 0 for an
/// answer, [`ELSEWHERE`] when `path` leads to another mount, otherwise the errno of the first call that failed.
///
/// # Errors
/// `EAGAIN` at a limit of processes; `EINVAL` in a process with more than one thread.
pub fn statfs_as(owner: (u32, u32), path: &CStr, mount: u32) -> Result<Pid, SysError> {
    ensure_single_threaded()?;
    // SAFETY: clone with an exit signal and nothing else is fork(2): the child goes on on a copy of this process, which
    // has one thread (checked above). It runs `ask` alone, which makes system calls on that copy and does not return.
    let result = unsafe { bare_fork() };
    match Errno::result(result).context(|| "send a probe")? {
        0 => ask(owner, path, mount),
        pid => Ok(Pid::from_raw(pid as i32)),
    }
}

/// fork(2) without the C library's own work around it. Returns twice.
unsafe fn bare_fork() -> libc::c_long {
    let nothing = std::ptr::null_mut::<libc::c_void>();
    let flags = libc::c_long::from(libc::SIGCHLD);
    // SAFETY: without CLONE_VM and with no stack of its own the child goes on on a copy of the caller's (clone(2)).
    unsafe { libc::syscall(libc::SYS_clone, flags, nothing, nothing, nothing, nothing) }
}

/// Runs in the child.
fn ask(owner: (u32, u32), path: &CStr, mount: u32) -> ! {
    // What only the parent may keep open: a connection that the parent ends must not live on in a child that waits for it.
    // SAFETY: close_range takes three integers, and the child is a copy whose values are never dropped.
    unsafe { libc::syscall(libc::SYS_close_range, ALONE, libc::c_uint::MAX, 0) };
    let code = if become_owner(owner) {
        ask_mount(path, mount)
    } else {
        Errno::last_raw()
    };
    loop {
        // SAFETY: exit_group takes a number and does not return.
        unsafe { libc::syscall(libc::SYS_exit_group, code) };
    }
}

/// Raw system calls: the C library's setresgid(2) and setresuid(2) would signal threads that do not exist in the child.
fn become_owner((uid, gid): (u32, u32)) -> bool {
    let unblocked: u64 = 0;
    let nothing = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: each call gets integers, or a pointer to memory of the size it reads.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const unblocked,
            nothing,
            size_of::<u64>(),
        ) == 0
            && libc::syscall(libc::SYS_setresgid, gid, gid, gid) == 0
            && libc::syscall(libc::SYS_setgroups, 0, nothing) == 0
            // With the last of root's ids its capabilities are lost, too (capabilities(7)).
            && libc::syscall(libc::SYS_setresuid, uid, uid, uid) == 0
            // This process is a copy of the watchdog, with its memory and descriptors. The owner must not ptrace(2) it,
            // as fs.suid_dumpable=1 would allow.
            && libc::syscall(libc::SYS_prctl, libc::PR_SET_DUMPABLE, 0, 0, 0, 0) == 0
    }
}

/// Asks, and returns the exit code. The path is resolved once, without a request to the filesystem at its end, and the
/// question goes to the result. So even if something is renamed meanwhile, no other filesystem answers for this one.
fn ask_mount(path: &CStr, mount: u32) -> i32 {
    let flags = libc::O_PATH | libc::O_CLOEXEC;
    // SAFETY: openat reads a C string that outlives the call.
    let fd = unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, 0) };
    if fd < 0 {
        return Errno::last_raw();
    }
    let mut status = MaybeUninit::<libc::statx>::zeroed();
    let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC;
    // SAFETY: statx fills a structure of its own layout, which lives until exit_group; the empty path is a C string.
    let found = unsafe {
        libc::syscall(
            libc::SYS_statx,
            fd,
            c"".as_ptr(),
            flags,
            libc::STATX_MNT_ID,
            status.as_mut_ptr(),
        )
    };
    if found != 0 {
        return Errno::last_raw();
    }
    // SAFETY: all bytes were zero, which is a statx of numbers only, or what the kernel has filled in.
    let status = unsafe { status.assume_init_ref() };
    if status.stx_mask & libc::STATX_MNT_ID != 0 && status.stx_mnt_id != u64::from(mount) {
        return ELSEWHERE;
    }
    let mut answer = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: fstatfs fills a structure of its own layout, which lives until exit_group.
    match unsafe { libc::syscall(libc::SYS_fstatfs, fd, answer.as_mut_ptr()) } {
        0 => 0,
        _ => Errno::last_raw(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::wait::{WaitStatus, waitpid};
    use std::os::fd::AsRawFd;

    fn code(path: &CStr, mount: u32) -> i32 {
        // The test program has threads; a clone of it may still do what `ask` does.
        // SAFETY: as in `statfs_as`; `ask` makes raw system calls only.
        let pid = unsafe { bare_fork() };
        if pid == 0 {
            let own = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
            ask(own, path, mount)
        }
        match waitpid(Pid::from_raw(pid as i32), None).unwrap() {
            WaitStatus::Exited(_, code) => code,
            other => panic!("{other:?}"),
        }
    }

    fn mount_of(path: &str) -> u32 {
        let file = std::fs::File::open(path).unwrap();
        let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).unwrap();
        let id = text
            .lines()
            .find_map(|line| line.strip_prefix("mnt_id:"))
            .unwrap();
        id.trim().parse().unwrap()
    }

    #[test]
    fn the_exit_code_tells_what_was_found() {
        let root = mount_of("/");
        // A process that is not root may not set its groups, not even to none.
        if !nix::unistd::geteuid().is_root() {
            assert_eq!(code(c"/", root), Errno::EPERM as i32);
            return;
        }
        assert_eq!(code(c"/nonexistent", root), Errno::ENOENT as i32);
        assert_eq!(code(c"/", root), 0);
        assert_eq!(code(c"/", root.wrapping_add(1)), ELSEWHERE);
        assert_eq!(code(c"/proc", root), ELSEWHERE);
    }
}
