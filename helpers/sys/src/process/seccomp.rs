//! The system calls that an app cannot make (seccomp(2)). What they are stands in `build.rs`, which compiles the filter.

use crate::error::{Context, SysError};
use nix::errno::Errno;

/// The filter, as the kernel takes it.
const PROGRAM: &[libc::sock_filter] = include!(concat!(env!("OUT_DIR"), "/seccomp.in"));

/// Denies the caller, and all that comes after it, the system calls of the filter. Needs no_new_privs or `CAP_SYS_ADMIN`.
///
/// # Errors
/// `EINVAL` or `ENOSYS` of a kernel without filters, `EACCES` without no_new_privs.
pub fn deny_what_no_app_needs() -> Result<(), SysError> {
    let program = libc::sock_fprog {
        len: PROGRAM.len() as u16,
        filter: PROGRAM.as_ptr().cast_mut(),
    };
    // SAFETY: the program and its length belong together and outlive the call; the kernel only reads them. nix has no
    // seccomp.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const program,
        )
    };
    Errno::result(result)
        .map(drop)
        .context(|| "install the filter of system calls (seccomp = off starts without)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::caps::no_new_privs;

    /// The number of the error that `call` ends with in a thread with the filter, which is that thread's alone; 0 without one.
    fn filtered(number: libc::c_long, first: libc::c_long) -> i32 {
        let thread = std::thread::spawn(move || {
            no_new_privs().unwrap();
            deny_what_no_app_needs().unwrap();
            let none: libc::c_long = 0;
            // SAFETY: with these arguments each of the calls fails or touches nothing.
            Errno::result(unsafe { libc::syscall(number, first, none, none) })
                .map_or_else(|errno| errno as i32, |_| 0)
        });
        thread.join().unwrap()
    }

    #[test]
    fn what_is_denied_is_an_error_and_the_rest_is_as_before() {
        const X32: libc::c_long = 0x4000_0000;
        let newuser = libc::c_long::from(libc::CLONE_NEWUSER);
        let cases = [
            ("getpid", libc::SYS_getpid, 0, 0),
            ("mount", libc::SYS_mount, 0, libc::EPERM),
            ("keyctl", libc::SYS_keyctl, 0, libc::EPERM),
            ("bpf", libc::SYS_bpf, 0, libc::EPERM),
            ("a new user namespace", libc::SYS_unshare, newuser, libc::EPERM),
            (
                "a process in a new user namespace",
                libc::SYS_clone,
                newuser,
                libc::EPERM,
            ),
            ("unshare of nothing", libc::SYS_unshare, 0, 0),
            ("clone3", libc::SYS_clone3, 0, libc::ENOSYS),
            ("x32", X32 | libc::SYS_getpid, 0, libc::ENOSYS),
        ];
        for (what, number, first, expected) in cases {
            assert_eq!(filtered(number, first), expected, "{what}");
        }
    }
}
