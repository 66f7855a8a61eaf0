//! The notification socket of an app that has one (`[vassal] notify = true`): only readiness is heard, and only from
//! the vassal's own processes.

use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixAddr, recvmsg};
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, OwnedFd};

/// Reads what is there, without waiting: whether one of the messages says `READY=1`. The kernel tells the sender's
/// process id as this PID namespace sees it: 0 is somebody outside, who is not heard.
pub fn says_ready(socket: &OwnedFd) -> bool {
    let mut ready = false;
    let mut message = [0; 4096];
    let mut control = nix::cmsg_space!(nix::libc::ucred);
    loop {
        let mut buffers = [IoSliceMut::new(&mut message)];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
        let Ok(received) = recvmsg::<UnixAddr>(socket.as_raw_fd(), &mut buffers, Some(&mut control), flags)
        else {
            return ready;
        };
        let is_ours = received.cmsgs().is_ok_and(|mut messages| {
            messages
                .any(|message| matches!(message, ControlMessageOwned::ScmCredentials(who) if who.pid() > 0))
        });
        let length = received.bytes;
        ready |= is_ours
            && message[..length]
                .split(|byte| *byte == b'\n')
                .any(|line| line == b"READY=1");
    }
}
