//! Descriptors: which exist at the start, which survive an exec.

use crate::error::{Context, SysError};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl, open};
use nix::sys::stat::Mode;
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

/// Makes sure that 0, 1 and 2 are open (on /dev/null where they were not), so that no file opened later becomes
/// the standard output of this or a later program.
///
/// # Errors
/// When /dev/null cannot be opened.
pub fn open_standard() -> Result<(), SysError> {
    loop {
        let fd = open("/dev/null", OFlag::O_RDWR, Mode::empty())
            .context(|| "open '/dev/null'")?
            .into_raw_fd();
        if fd > 2 {
            // SAFETY: `fd` was opened one line above and is owned by nothing else; 0 to 2 stay open on purpose.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
            return Ok(());
        }
    }
}

/// Marks every descriptor from `first` on close-on-exec (close_range(2) with `CLOSE_RANGE_CLOEXEC`).
///
/// # Errors
/// `ENOSYS` before Linux 5.9, `EINVAL` before 5.11.
pub fn cloexec_from(first: RawFd) -> Result<(), SysError> {
    // SAFETY: only a flag of descriptors changes; no descriptor is closed behind an owner's back. nix has no
    // close_range.
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first as u32,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    Errno::result(result)
        .map(drop)
        .context(|| "mark inherited descriptors close-on-exec")
}

/// The lowest number of descriptors that only one process may have: its forked children close them, because closing
/// them in that process has to end what they keep open. It is above the numbers of other descriptors, and below 1024,
/// the usual limit of open files.
pub const ALONE: RawFd = 960;

/// In a forked child: closes all descriptors from [`ALONE`] on.
pub fn close_alone() {
    // SAFETY: close_range takes three integers. The values that own these descriptors are the parent's; the child's copies of them
    // are never dropped, as it ends by exit or by exec.
    unsafe { libc::syscall(libc::SYS_close_range, ALONE, libc::c_uint::MAX, 0) };
}

/// Makes `fd` survive the next exec. Other descriptors of the same open file are not affected.
///
/// # Errors
/// None for a valid descriptor.
pub fn keep_over_exec(fd: BorrowedFd<'_>) -> Result<(), SysError> {
    fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))
        .map(drop)
        .context(|| "keep a descriptor over exec")
}

/// Takes ownership of a descriptor that another process image has left open under a known number (FD store, handoff).
///
/// # Errors
/// `EBADF` when the number is not open.
pub fn adopt(number: RawFd) -> Result<OwnedFd, SysError> {
    if number < 3 {
        return Err(SysError::new(
            format!("take over descriptor {number}"),
            Errno::EBADF,
        ));
    }
    // SAFETY: the number comes from the process that made this image and is open (fcntl says so below, and closes
    // nothing if it is not); each number is adopted once, by the one parser of the message that carries it.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))
        .context(|| format!("take over descriptor {number}"))?;
    // SAFETY: as above; ownership passes to the caller here.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Makes a copy of `fd` with the number `number` that survives exec (dup2(2)); a descriptor that had this number is
/// closed.
///
/// # Errors
/// `EBUSY`, `EMFILE` as dup3(2) says.
pub fn place_at(fd: impl AsFd, number: RawFd) -> Result<(), SysError> {
    use std::os::fd::AsRawFd;
    if fd.as_fd().as_raw_fd() == number {
        return keep_over_exec(fd.as_fd());
    }
    // SAFETY: the target number is one the caller does not own as an OwnedFd (it places descriptors of the next
    // image, right before exec), so no owned descriptor is closed behind its back.
    let result = unsafe { libc::dup2(fd.as_fd().as_raw_fd(), number) };
    Errno::result(result)
        .map(drop)
        .context(|| format!("place a descriptor at {number}"))
}

/// Copies the descriptor `number` of the process whose pidfd is `process` (pidfd_getfd(2)). The copy refers to the same
/// open file, so it remains valid when that process dies. It is close-on-exec.
///
/// # Errors
/// `EBADF` when the number is not open there, `ESRCH` when the process is gone, `EPERM` for a caller that may not trace it.
pub fn copy_of(process: BorrowedFd<'_>, number: RawFd) -> Result<OwnedFd, SysError> {
    use std::os::fd::AsRawFd;
    // SAFETY: pidfd_getfd takes three integers and returns a new descriptor, which nothing else owns yet. nix has none.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0) };
    let fd = Errno::result(result).context(|| format!("copy descriptor {number} of another process"))?;
    // SAFETY: as above, `fd` is fresh and ours.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// How many bytes sent through a unix `socket` have not been read yet.
///
/// # Errors
/// `ENOTTY` for anything but a socket.
pub fn unread_bytes(socket: impl AsFd) -> nix::Result<libc::c_int> {
    use std::os::fd::AsRawFd;
    let mut bytes = 0;
    // SAFETY: SIOCOUTQ (unix(7)), of the same number as TIOCOUTQ, writes one int to the pointer, which is that of a local one.
    let result = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    Errno::result(result).map(|_| bytes)
}

/// Makes the kernel drop everything that is sent to `socket`; for the senders it looks as if it had been sent
/// (socket(7), SO_ATTACH_FILTER).
///
/// # Errors
/// `ENOMEM`; `EPERM` by a policy of the machine.
pub fn drop_what_comes(socket: BorrowedFd<'_>) -> Result<(), SysError> {
    use std::os::fd::AsRawFd;
    // The whole program: accept 0 bytes of any message.
    let mut accept_nothing = libc::sock_filter {
        code: (libc::BPF_RET | libc::BPF_K) as u16,
        jt: 0,
        jf: 0,
        k: 0,
    };
    let program = libc::sock_fprog {
        len: 1,
        filter: &raw mut accept_nothing,
    };
    // SAFETY: the program is one instruction, which outlives the call, and the kernel copies it. nix has no such option.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    Errno::result(result)
        .map(drop)
        .context(|| "close a socket to its senders")
}

/// Random bytes (getrandom(2)).
///
/// # Errors
/// `ENOSYS` before Linux 3.17.
pub fn random<const COUNT: usize>() -> Result<[u8; COUNT], SysError> {
    let mut bytes = [0; COUNT];
    // SAFETY: at most as many bytes are written as the array has. nix has none.
    let result = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), COUNT, 0) };
    match Errno::result(result).context(|| "get random bytes")? {
        // getrandom(2) returns up to 256 bytes at once.
        length if length as usize == COUNT => Ok(bytes),
        _ => Err(SysError::new("get random bytes", Errno::EIO)),
    }
}

/// Whether the descriptor at `path` below `proc` (such as `7/fd/3`) is a socket. This reads only the link in proc, so
/// no filesystem is asked (proc_pid_fd(5)). nix's readlinkat would allocate and return 16 KiB each time.
pub fn is_socket(proc: impl AsFd, path: &CStr) -> bool {
    use std::os::fd::AsRawFd;
    const NAME: &[u8] = b"socket:[";
    let mut name = [0_u8; NAME.len()];
    // SAFETY: the path ends with a NUL, and at most as many bytes are written as `name` has.
    let result = unsafe {
        libc::readlinkat(
            proc.as_fd().as_raw_fd(),
            path.as_ptr(),
            name.as_mut_ptr().cast(),
            name.len(),
        )
    };
    result == NAME.len() as isize && name == *NAME
}

/// The device number (`st_rdev`) of the file behind the descriptor at `path` below `proc` (such as `7/fd/3`), as the
/// kernel has it cached: no filesystem is asked, whatever the file is (AT_STATX_DONT_SYNC).
///
/// # Errors
/// As statx(2).
pub fn device(proc: impl AsFd, path: &CStr) -> nix::Result<(u32, u32)> {
    use std::os::fd::AsRawFd;
    let flags = libc::AT_STATX_DONT_SYNC | libc::AT_NO_AUTOMOUNT;
    let mut status = std::mem::MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the path ends with a NUL, and statx fills a structure of its own layout. nix has none.
    let result = unsafe {
        libc::statx(
            proc.as_fd().as_raw_fd(),
            path.as_ptr(),
            flags,
            libc::STATX_TYPE,
            status.as_mut_ptr(),
        )
    };
    Errno::result(result)?;
    // SAFETY: all bytes were zero, which is a statx of numbers only, or what the kernel has filled in.
    let status = unsafe { status.assume_init() };
    Ok((status.stx_rdev_major, status.stx_rdev_minor))
}

/// A close-on-exec copy of `fd` with a number of at least `least`.
///
/// # Errors
/// `EINVAL`, `EMFILE` at the limit of open files.
pub fn copy_above(fd: impl AsFd, least: RawFd) -> Result<OwnedFd, SysError> {
    let copy = fcntl(fd.as_fd(), FcntlArg::F_DUPFD_CLOEXEC(least)).context(|| "copy a descriptor")?;
    // SAFETY: fcntl has just made it, and nothing else owns it yet.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Removes `socket` from `epoll`. Both are copies of another process's descriptors, where the socket was added as
/// `number`. The kernel identifies an entry by its open file and that number (epoll(7)), so the socket is moved to this
/// number, and a descriptor that had it is closed. So only a process that is about to end may call this.
///
/// # Errors
/// `ENOENT` when it is not registered.
pub fn forget(epoll: BorrowedFd<'_>, socket: BorrowedFd<'_>, number: RawFd) -> Result<(), SysError> {
    use std::os::fd::AsRawFd;
    place_at(socket, number)?;
    let nothing = std::ptr::null_mut();
    // SAFETY: EPOLL_CTL_DEL reads no event (epoll_ctl(2)); the rest are integers.
    let result = unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_DEL, number, nothing) };
    Errno::result(result)
        .map(drop)
        .context(|| "take a socket out of epoll")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;

    #[test]
    fn a_socket_is_known_by_its_name() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let (reader, _writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
        let proc = File::open("/proc").unwrap();
        let path = |fd: RawFd| std::ffi::CString::new(format!("self/fd/{fd}")).unwrap();
        assert!(is_socket(&proc, &path(one.as_raw_fd())));
        assert!(!is_socket(&proc, &path(reader.as_raw_fd())));
        assert!(!is_socket(&proc, &path(9999)));
    }

    #[test]
    fn a_device_is_known_by_its_numbers_and_a_file_has_none() {
        let null = File::open("/dev/null").unwrap();
        let file = File::open("/proc/self/status").unwrap();
        let proc = File::open("/proc").unwrap();
        let path = |fd: RawFd| std::ffi::CString::new(format!("self/fd/{fd}")).unwrap();
        assert_eq!(device(&proc, &path(null.as_raw_fd())), Ok((1, 3)));
        assert_eq!(device(&proc, &path(file.as_raw_fd())), Ok((0, 0)));
        assert_eq!(device(&proc, &path(9999)), Err(Errno::ENOENT));
    }

    #[test]
    fn a_copy_of_another_processs_descriptor_is_the_same_open_file() {
        let own = crate::process::clone::pidfd(nix::unistd::Pid::this()).unwrap();
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
        let (mut reader, mut writer) = (File::from(reader), File::from(writer));
        let copy = copy_of(own.as_fd(), writer.as_raw_fd()).unwrap();
        writer.write_all(b"a").unwrap();
        File::from(copy).write_all(b"b").unwrap();
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "ab");
        assert_eq!(copy_of(own.as_fd(), 9999).unwrap_err().errno, Errno::EBADF);
    }
}
