//! Tells whether a FUSE daemon still serves a mount, or is saving data because its filesystem is not mounted any more.
//! The watchdog's own mountinfo is not sufficient: a daemon may have another mount namespace.

use crate::processes::tree::fuse_descriptors;
use nix::fcntl::readlinkat;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;
use std::os::fd::{AsFd, OwnedFd};
use vassal_sys::clone::pidfd;
use vassal_sys::fds;
use vassal_sys::proc::Proc;

/// Whether a daemon serves, and in another mount namespace than the watchdog's, where the watchdog's unmount has no
/// effect.
pub fn is_apart(proc: &Proc, pid: Pid) -> bool {
    let namespace = |process: &str| readlinkat(proc, format!("{process}/ns/mnt").as_str()).ok();
    namespace(&pid.to_string()) != namespace("self") && serves(proc, pid)
}

/// Whether one of a process's FUSE connections has not ended. With `yama.ptrace_scope=3` this cannot be found out, and
/// the answer is no.
pub fn serves(proc: &Proc, pid: Pid) -> bool {
    let Ok(process) = pidfd(pid) else {
        return false;
    };
    fuse_descriptors(proc, pid)
        .any(|number| fds::copy_of(process.as_fd(), number).is_ok_and(|device| is_connected(&device)))
}

/// Polls /dev/fuse. The kernel answers at once, with an error for a connection that has ended or has never begun
/// (fuse_dev_poll in fs/fuse/dev.c).
fn is_connected(device: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(device.as_fd(), PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO) == Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::pipe;

    #[test]
    fn a_device_with_an_error_is_not_connected() {
        let (reader, writer) = pipe().unwrap();
        assert!(is_connected(&writer));
        drop(reader);
        assert!(!is_connected(&writer));
    }

    #[test]
    fn who_has_no_device_serves_nobody() {
        let proc = Proc::mounted().unwrap();
        assert!(!serves(&proc, Pid::this()));
        assert!(!is_apart(&proc, Pid::this()));
    }
}
