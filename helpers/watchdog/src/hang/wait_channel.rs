//! Recognises threads that sleep in the kernel until a FUSE daemon answers. Measured on Linux 6.18; proc_pid_wchan(5),
//! proc_pid_status(5), proc_pid_syscall(5).

use nix::libc;
use vassal_sys::proc::{Proc, Thread};

/// What a thread waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The answer to its own request.
    Request,
    /// A page of a file of any filesystem. FUSE reads pages by requests for which no thread waits itself.
    Page,
}

/// The meaning of the kernel function that a thread sleeps in; `None` if that is not a wait for a FUSE daemon.
pub fn wait(wchan: &str) -> Option<Wait> {
    let name = wchan.trim().trim_start_matches('_');
    // A daemon that waits for work sleeps in fuse_dev_do_read or, with io_uring, in fuse_uring_*.
    let is_daemon = name.starts_with("fuse_dev") || name.starts_with("fuse_uring");
    match name {
        "request_wait_answer" => Some(Wait::Request),
        name if name.starts_with("fuse_") && !is_daemon => Some(Wait::Request),
        name if name.starts_with("folio_wait") || name.starts_with("wait_on_page") => Some(Wait::Page),
        _ => None,
    }
}

/// How often a thread was switched out, voluntarily and not. Equal numbers mean that it has not run in between.
pub type Switches = (u64, u64);

/// Parses the context switches in the text of `status`.
pub fn switches(status: &str) -> Option<Switches> {
    let number = |name: &str| {
        let mut lines = status.lines();
        lines.find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    };
    Some((
        number("voluntary_ctxt_switches:")?,
        number("nonvoluntary_ctxt_switches:")?,
    ))
}

/// What a thread waits for, and its context switches; `None` if it does not sleep in a FUSE wait.
pub fn asleep(thread: Thread, proc: &Proc) -> Option<(Wait, Switches)> {
    let wait = wait(&thread.text(proc, "wchan")?)?;
    Some((wait, switches(&thread.text(proc, "status")?)?))
}

/// The system call that a thread is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// One on the file of this descriptor.
    File(u64),
    /// One with a path, or a page fault: the filesystem is unknown.
    Other,
    /// One that may take arbitrarily long: it waits for a lock, for an event, or for everything to be written.
    Patient,
}

/// Parses the text of `syscall`: the call's number, then its arguments in hexadecimal. `None` if the thread is running.
pub fn call(syscall: &str) -> Option<Call> {
    let mut words = syscall.split_ascii_whitespace();
    let number: i64 = words.next()?.parse().ok()?;
    let first = words.next().and_then(|word| word.strip_prefix("0x"));
    let first = first.and_then(|digits| u64::from_str_radix(digits, 16).ok())?;
    if PATIENT.contains(&number) {
        return Some(Call::Patient);
    }
    let on_file = OF_FILES.contains(&number);
    Some(if on_file { Call::File(first) } else { Call::Other })
}

/// The name of the call in the text of `syscall`, for messages.
pub fn name(syscall: &str) -> Option<&'static str> {
    let number: i64 = syscall.split_ascii_whitespace().next()?.parse().ok()?;
    let known = NAMES.iter().find(|(known, _)| *known == number);
    known.map(|(_, name)| *name)
}

/// The calls that a filesystem answers at once; -1 stands for no call.
const NAMES: &[(i64, &str)] = &[
    (-1, "a page"),
    (libc::SYS_read, "read"),
    (libc::SYS_pread64, "pread"),
    (libc::SYS_readv, "readv"),
    (libc::SYS_preadv, "preadv"),
    (libc::SYS_write, "write"),
    (libc::SYS_pwrite64, "pwrite"),
    (libc::SYS_writev, "writev"),
    (libc::SYS_pwritev, "pwritev"),
    (libc::SYS_getdents64, "readdir"),
    (libc::SYS_fstat, "fstat"),
    (libc::SYS_openat, "open"),
    (libc::SYS_openat2, "open"),
    (libc::SYS_newfstatat, "stat"),
    (libc::SYS_statx, "stat"),
    (libc::SYS_statfs, "statfs"),
    (libc::SYS_faccessat, "access"),
    (libc::SYS_readlinkat, "readlink"),
    (libc::SYS_mkdirat, "mkdir"),
    (libc::SYS_unlinkat, "unlink"),
    (libc::SYS_renameat2, "rename"),
    (libc::SYS_ftruncate, "ftruncate"),
    (libc::SYS_execve, "execve"),
    (libc::SYS_chdir, "chdir"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, "open"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_stat, "stat"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_lstat, "stat"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_access, "access"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_readlink, "readlink"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mkdir, "mkdir"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_unlink, "unlink"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_rename, "rename"),
];

/// The calls that a filesystem answers at once and whose first argument is the file's descriptor.
const OF_FILES: [i64; 10] = [
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_readv,
    libc::SYS_preadv,
    libc::SYS_write,
    libc::SYS_pwrite64,
    libc::SYS_writev,
    libc::SYS_pwritev,
    libc::SYS_getdents64,
    libc::SYS_fstat,
];

/// The calls that may take arbitrarily long. Locks and events are waited for by design. The others end when everything
/// is written: a network filesystem may upload a whole file then, and a killed process waits for that when it exits.
const PATIENT: &[i64] = &[
    libc::SYS_fcntl,
    libc::SYS_flock,
    libc::SYS_ioctl,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_select,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync,
    libc::SYS_syncfs,
    libc::SYS_sync_file_range,
    libc::SYS_msync,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_munmap,
    libc::SYS_dup3,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_dup2,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_umount2,
    libc::SYS_fallocate,
    libc::SYS_copy_file_range,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_waits_for_a_daemon_is_a_wait() {
        let cases = [
            ("request_wait_answer", Some(Wait::Request)),
            ("fuse_simple_request", Some(Wait::Request)),
            ("__fuse_simple_request", Some(Wait::Request)),
            ("fuse_lock_inode", Some(Wait::Request)),
            ("folio_wait_bit_common", Some(Wait::Page)),
            ("fuse_dev_do_read", None),
            ("fuse_dev_read", None),
            ("futex_do_wait", None),
            ("ep_poll", None),
            ("0", None),
            ("", None),
        ];
        for (wchan, expected) in cases {
            assert_eq!(wait(wchan), expected, "{wchan}");
        }
    }

    #[test]
    fn switches_are_read_from_status() {
        let status =
            "Name:\tx\nState:\tS (sleeping)\nvoluntary_ctxt_switches:\t41\nnonvoluntary_ctxt_switches:\t3\n";
        assert_eq!(switches(status), Some((41, 3)));
        assert_eq!(switches("Name:\tx\n"), None);
    }

    #[test]
    fn calls_are_told_apart() {
        let of = |number: i64| call(&format!("{number} 0x6 0x555c 0x8 0xfff 0x0 0x1 0x7f8b 0x7f8c"));
        assert_eq!(of(libc::SYS_read), Some(Call::File(6)));
        assert_eq!(of(libc::SYS_openat), Some(Call::Other));
        assert_eq!(of(libc::SYS_flock), Some(Call::Patient));
        assert_eq!(of(libc::SYS_fcntl), Some(Call::Patient));
        assert_eq!(of(libc::SYS_fsync), Some(Call::Patient));
        assert_eq!(call("-1 0x7ffe 0x7f8b"), Some(Call::Other));
        assert_eq!(call("running\n"), None);
        let named = |number: i64| name(&format!("{number} 0x6 0x555c"));
        assert_eq!(named(libc::SYS_pread64), Some("pread"));
        assert_eq!((named(-1), named(libc::SYS_getpid)), (Some("a page"), None));
    }
}
