//! Denies system calls to apps (seccomp(2)). `build.rs` compiles the filter from the list in `denied_calls.rs`.

use crate::error::{Context, SysError};
use nix::errno::Errno;

/// The filter in the kernel's format.
const PROGRAM: &[libc::sock_filter] = include!(concat!(env!("OUT_DIR"), "/seccomp.in"));

/// Installs the filter for this process and its descendants. Needs no_new_privs or `CAP_SYS_ADMIN`.
///
/// # Errors
/// `EINVAL` or `ENOSYS` on a kernel without filters; `EACCES` without no_new_privs.
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
    use crate::process::denied_calls::{DENIED, DENIED_WITH_NEWUSER, OPEN_TREE_ATTR};
    use std::env::consts::ARCH;
    use syscalls::Sysno;

    /// What the kernel would do with the filter for a call, and after how many instructions.
    fn verdict(architecture: u32, number: u32, first: u32) -> (u32, usize) {
        let (mut place, mut value, mut steps) = (0, 0, 0);
        loop {
            let instruction = PROGRAM[place];
            let code = u32::from(instruction.code);
            let is_true = match code & !libc::BPF_K {
                it if it == libc::BPF_JMP | libc::BPF_JEQ => value == instruction.k,
                it if it == libc::BPF_JMP | libc::BPF_JGE => value >= instruction.k,
                it if it == libc::BPF_JMP | libc::BPF_JSET => value & instruction.k != 0,
                it if it == libc::BPF_RET => return (instruction.k, steps),
                _ => {
                    value = match instruction.k {
                        0 => number,
                        4 => architecture,
                        _ => first,
                    };
                    true
                }
            };
            let distance = if is_true { instruction.jt } else { instruction.jf };
            (place, steps) = (place + 1 + usize::from(distance), steps + 1);
        }
    }

    #[test]
    fn every_number_has_the_verdict_of_the_tables_after_a_few_instructions() {
        const NEWUSER: u32 = libc::CLONE_NEWUSER as u32;
        let own = match ARCH {
            "x86_64" => 0xc000_003e,
            _ => 0xc000_00b7,
        };
        let (allow, denied) = (
            libc::SECCOMP_RET_ALLOW,
            libc::SECCOMP_RET_ERRNO | libc::EPERM as u32,
        );
        let unknown = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
        for number in 0..1024_u32 {
            let name = Sysno::new(number as usize).map_or("", |call| call.name());
            let is_denied = DENIED.contains(&name) || number == OPEN_TREE_ATTR.1;
            let (plain, newuser) = match name {
                "clone3" => (unknown, unknown),
                _ if is_denied => (denied, denied),
                _ if DENIED_WITH_NEWUSER.contains(&name) => (allow, denied),
                _ => (allow, allow),
            };
            assert_eq!(verdict(own, number, 0).0, plain, "{number} {name}");
            assert_eq!(verdict(own, number, NEWUSER).0, newuser, "{number} {name}");
            assert!(verdict(own, number, NEWUSER).1 < 16, "{number} {name}");
        }
        assert_eq!(verdict(own, 0x4000_0000, 0).0, unknown);
        assert_eq!(verdict(own, u32::MAX, 0).0, unknown);
        assert_eq!(verdict(own ^ 1, 0, 0).0, libc::SECCOMP_RET_KILL_PROCESS);
    }

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
