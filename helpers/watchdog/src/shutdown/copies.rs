//! Copies of the sockets of an app. Between a look at what a descriptor is and the copy of it the app, or a process that shares its
//! descriptors, can put another file there; and closing the copy of one on a FUSE filesystem asks its daemon (fuse_flush in fs/fuse/file.c),
//! which may never answer. So they are made in a process that may be lost, and this one is given those that are sockets.

use super::state::Shutdown;
use crate::app::connections::spare;
use crate::processes::probe::Probe;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, recvmsg,
    sendmsg, setsockopt, socketpair, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;
use vassal_sys::deadline::Deadline;
use vassal_sys::fds;

/// How many descriptors go into one message; the kernel takes 253.
const BATCH: usize = 64;
/// How long it may take, with as many as the watchdog may have.
const LIMIT: Duration = Duration::from_secs(1);
/// What ends them: a message without a descriptor.
const END: &[u8] = b"e";

impl Shutdown<'_> {
    /// What `find` finds; nothing where there can be no process now, or it is lost.
    pub(super) fn copies(&self, find: impl FnOnce() -> Vec<OwnedFd>) -> Vec<OwnedFd> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let Ok((ours, theirs)) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags) else {
            return Vec::new();
        };
        let Ok(Some(probe)) = Probe::run(|| i32::from(send_all(&theirs, &find()).is_err())) else {
            return Vec::new();
        };
        drop(theirs);
        // What comes after needs some, too.
        let _spare = spare(self.proc);
        let found = receive_all(&ours, Deadline::after(LIMIT));
        probe.end();
        found
    }
}

fn send_all(socket: &OwnedFd, found: &[OwnedFd]) -> nix::Result<()> {
    for batch in found.chunks(BATCH) {
        let numbers: Vec<RawFd> = batch.iter().map(AsRawFd::as_raw_fd).collect();
        send(socket, b"s", &[ControlMessage::ScmRights(&numbers)])?;
    }
    send(socket, END, &[])
}

fn send(socket: &OwnedFd, text: &[u8], rights: &[ControlMessage<'_>]) -> nix::Result<()> {
    let flags = MsgFlags::MSG_NOSIGNAL;
    sendmsg::<UnixAddr>(socket.as_raw_fd(), &[IoSlice::new(text)], rights, flags, None).map(drop)
}

fn receive_all(socket: &OwnedFd, deadline: Deadline) -> Vec<OwnedFd> {
    let mut found = Vec::new();
    while !deadline.is_over() {
        let left = TimeVal::milliseconds(deadline.left().as_millis().max(1) as i64);
        let is_limited = setsockopt(socket, sockopt::ReceiveTimeout, &left).is_ok();
        let (mut text, mut control) = ([0; 1], nix::cmsg_space!([RawFd; BATCH]));
        let mut buffers = [IoSliceMut::new(&mut text)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let received = is_limited
            .then(|| recvmsg::<UnixAddr>(socket.as_raw_fd(), &mut buffers, Some(&mut control), flags));
        let Some(Ok(received)) = received else { break };
        let before = found.len();
        for message in received.cmsgs().into_iter().flatten() {
            if let ControlMessageOwned::ScmRights(numbers) = message {
                found.extend(numbers.into_iter().filter_map(|number| fds::adopt(number).ok()));
            }
        }
        if found.len() == before {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::time::Instant;

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .unwrap()
    }

    #[test]
    fn all_arrive_and_one_that_says_nothing_is_waited_for_to_the_deadline() {
        let (ours, theirs) = pair();
        let files: Vec<OwnedFd> = (0..BATCH + 3)
            .map(|_| File::open("/dev/null").unwrap().into())
            .collect();
        send_all(&theirs, &files).unwrap();
        assert_eq!(receive_all(&ours, Deadline::after(LIMIT)).len(), files.len());
        let begun = Instant::now();
        let limit = Duration::from_millis(50);
        assert!(receive_all(&ours, Deadline::after(limit)).is_empty());
        assert!(begun.elapsed() >= limit && begun.elapsed() < LIMIT);
    }
}
