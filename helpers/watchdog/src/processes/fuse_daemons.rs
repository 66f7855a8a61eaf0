//! Whether a FUSE daemon still serves, or commits what was written, as its filesystem is mounted nowhere any more. Our own
//! mountinfo does not tell: a daemon may have a mount namespace of its own.

use crate::processes::tree::fuse_descriptors;
use nix::fcntl::readlinkat;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;
use std::os::fd::{AsFd, OwnedFd};
use vassal_sys::clone::pidfd;
use vassal_sys::fds;
use vassal_sys::proc::Proc;

/// Whether a daemon serves, and in a mount namespace that is not ours: what is mounted there does not end by an unmount
/// of ours.
pub fn is_apart(proc: &Proc, pid: Pid) -> bool {
    let namespace = |process: &str| readlinkat(proc, format!("{process}/ns/mnt").as_str()).ok();
    namespace(&pid.to_string()) != namespace("self") && serves(proc, pid)
}

/// Whether one of a process's FUSE connections is not ended. With `yama.ptrace_scope=3` that cannot be found out, and the answer is no.
pub fn serves(proc: &Proc, pid: Pid) -> bool {
    let Ok(process) = pidfd(pid) else {
        return false;
    };
    fuse_descriptors(proc, pid)
        .any(|number| fds::copy_of(process.as_fd(), number).is_ok_and(|device| is_connected(&device)))
}

/// The kernel answers at once, and an error for a connection that has ended or never begun (fuse_dev_poll in
/// fs/fuse/dev.c).
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
