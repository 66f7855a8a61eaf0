//! /dev/fuse, as FUSE daemons have it open: while a copy of that is open, a connection does not end with its daemon. The requests of an app
//! wait then, and are answered with an error only when the watchdog has let go, which it does when the app stands still. Without a copy the
//! kernel would end the connection first, and the app would have answered wrongly before anything tells of the daemon's end.
//!
//! The copies are made in a process that may be lost. A tenant may have put another file under the daemon's number when it is copied, and to
//! close one on a filesystem that hangs waits for that.

use crate::processes::tree::{fuse_descriptors, is_fuse_device};
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, recvmsg,
    sendmsg, socketpair,
};
use nix::unistd::Pid;
use std::ffi::CString;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::Duration;
use vassal_sys::clone::{Side, fork_apart, pidfd};
use vassal_sys::deadline::Deadline;
use vassal_sys::fds;
use vassal_sys::proc::Proc;

/// How many descriptors of /dev/fuse a daemon may have: libfuse can have one for each of its threads.
const MOST: usize = 64;
/// How long the copies are waited for, which take less than a millisecond.
const LIMIT: Duration = Duration::from_millis(100);

/// A daemon's connections.
#[derive(Debug)]
pub struct Held {
    daemon: Pid,
    _copies: Vec<OwnedFd>,
}

impl Held {
    /// Whether they are this daemon's.
    pub fn is_of(&self, daemon: Pid) -> bool {
        self.daemon == daemon
    }
}

/// Copies of /dev/fuse, as far as they can be had in time, and the process that has made them, which is to be reaped.
pub fn hold(proc: &Proc, daemons: &[Pid]) -> (Vec<Held>, Option<Pid>) {
    let pair = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    );
    let (Ok((ours, theirs)), false) = (pair, daemons.is_empty()) else {
        return (Vec::new(), None);
    };
    match fork_apart() {
        // At a limit of processes: the daemons are not held.
        Err(_) => (Vec::new(), None),
        Ok(Side::Child) => {
            let all = daemons.iter().all(|daemon| send_copies(proc, *daemon, &theirs));
            std::process::exit(i32::from(!all))
        }
        Ok(Side::Parent(copier)) => {
            drop(theirs);
            let deadline = Deadline::after(LIMIT);
            let held = std::iter::from_fn(|| receive(&ours, &deadline)).collect();
            (held, Some(copier))
        }
    }
}

/// In the child: copies what the daemon has open, and gives it to the watchdog if it is what it is to be.
fn send_copies(proc: &Proc, daemon: Pid, socket: &OwnedFd) -> bool {
    let Ok(process) = pidfd(daemon) else { return true };
    let numbers = fuse_descriptors(proc, daemon).take(MOST);
    let copies: Vec<_> = numbers
        .filter_map(|number| fds::copy_of(process.as_fd(), number).ok())
        .collect();
    let is_right = |copy: &OwnedFd| {
        let path = CString::new(format!("self/fd/{}", copy.as_raw_fd()));
        path.is_ok_and(|path| is_fuse_device(proc, &path))
    };
    if !copies.iter().all(is_right) {
        return false;
    }
    let numbers: Vec<RawFd> = copies.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let number = daemon.as_raw().to_le_bytes();
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    sendmsg::<UnixAddr>(socket.as_raw_fd(), &[IoSlice::new(&number)], &rights, flags, None).is_ok()
}

/// The copies of one daemon; nothing when there are no more, or the time is over.
fn receive(socket: &OwnedFd, deadline: &Deadline) -> Option<Held> {
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    deadline.poll(&mut fds, LIMIT).ok().filter(|has_come| *has_come)?;
    let mut number = [0; size_of::<i32>()];
    let mut control = nix::cmsg_space!([RawFd; MOST]);
    let mut buffers = [IoSliceMut::new(&mut number)];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let received = recvmsg::<UnixAddr>(socket.as_raw_fd(), &mut buffers, Some(&mut control), flags).ok()?;
    let mut copies = Vec::new();
    for message in received.cmsgs().ok()? {
        if let ControlMessageOwned::ScmRights(numbers) = message {
            copies.extend(numbers.into_iter().filter_map(|number| fds::adopt(number).ok()));
        }
    }
    if received.bytes < size_of::<i32>() {
        return None;
    }
    let copies = copies
        .iter()
        .filter_map(|copy| fds::copy_above(copy, fds::ALONE).ok());
    let copies = copies.collect();
    Some(Held {
        daemon: Pid::from_raw(i32::from_le_bytes(number)),
        _copies: copies,
    })
}
