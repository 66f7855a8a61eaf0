//! Signals by pidfd, which never reach another process that has got the same number.

use crate::error::{Context, SysError};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use std::os::fd::{AsFd, AsRawFd};

/// Sends `signal` to the process of the pidfd `process` (pidfd_send_signal(2)).
///
/// # Errors
/// `ESRCH` when it has ended and was reaped.
pub fn signal(process: impl AsFd, signal: Signal) -> Result<(), SysError> {
    let (fd, no_info) = (process.as_fd().as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
    // SAFETY: without a siginfo the kernel makes one, as for kill(2); the rest are integers. nix has no such call.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal as i32, no_info, 0) };
    Errno::result(result)
        .map(drop)
        .context(|| format!("send {signal} to a process"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::clone::pidfd;
    use nix::unistd::Pid;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    #[test]
    fn the_process_is_signalled_and_no_other_after_it_has_gone() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = pidfd(Pid::from_raw(child.id() as i32)).unwrap();
        signal(&process, Signal::SIGTERM).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::SIGTERM as i32));
        let gone = signal(&process, Signal::SIGTERM).map_err(|error| error.errno);
        assert_eq!(gone, Err(Errno::ESRCH));
    }
}
