//! Copies other processes' descriptors, in a process that can be abandoned, and passes them to the watchdog. Between
//! checking what a descriptor is and copying it, its process (or one that shares its descriptors) can put another file
//! there; and closing a copy of a file on a FUSE filesystem asks the daemon (fuse_flush in fs/fuse/file.c), which may
//! never answer.

use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, recvmsg,
    sendmsg, socketpair,
};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use vassal_sys::deadline::Deadline;
use vassal_sys::error::Context;
use vassal_sys::{SysError, fds};

/// How many descriptors are sent in one message; the kernel allows 253.
pub const BATCH: usize = 64;

/// The end of the process that makes the copies.
#[derive(Debug)]
pub struct Giver(OwnedFd);

/// The watchdog's end.
#[derive(Debug)]
pub struct Taker(OwnedFd);

/// Makes the two ends. A process forked from here must not keep the watchdog's end: with it open, the process would
/// wait for room for ever if the watchdog stops receiving.
///
/// # Errors
/// As socketpair(2), fcntl(2).
pub fn ends() -> Result<(Giver, Taker), SysError> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags);
    let (giver, taker) = pair.context(|| "make a socket pair")?;
    Ok((Giver(giver), Taker(fds::copy_above(&taker, fds::ALONE)?)))
}

impl Giver {
    /// Sends all of `copies` with `owner`, a number that tells the watchdog whose they are.
    ///
    /// # Errors
    /// As sendmsg(2).
    pub fn give(&self, owner: i32, copies: &[OwnedFd]) -> nix::Result<()> {
        copies.chunks(BATCH).try_for_each(|batch| {
            let numbers: Vec<RawFd> = batch.iter().map(AsRawFd::as_raw_fd).collect();
            self.send(owner, &[ControlMessage::ScmRights(&numbers)])
        })
    }

    /// Sends the end mark. The process's exit would be noticed as well, but it may never come.
    ///
    /// # Errors
    /// As sendmsg(2).
    pub fn end(&self) -> nix::Result<()> {
        self.send(0, &[])
    }

    fn send(&self, owner: i32, rights: &[ControlMessage<'_>]) -> nix::Result<()> {
        let owner = owner.to_le_bytes();
        let text = [IoSlice::new(&owner)];
        sendmsg::<UnixAddr>(self.0.as_raw_fd(), &text, rights, MsgFlags::MSG_NOSIGNAL, None).map(drop)
    }
}

impl Taker {
    /// Receives batches until the end mark or the deadline, each with its owner.
    pub fn batches(&self, deadline: Deadline) -> impl Iterator<Item = (i32, Vec<OwnedFd>)> {
        std::iter::from_fn(move || self.take(deadline))
    }

    fn take(&self, deadline: Deadline) -> Option<(i32, Vec<OwnedFd>)> {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        while !deadline.poll(&mut fds, deadline.left()).ok()? {
            // A signal interrupts the wait as well.
            if deadline.is_over() {
                return None;
            }
        }
        let mut owner = [0; size_of::<i32>()];
        let mut control = nix::cmsg_space!([RawFd; BATCH]);
        let mut buffers = [IoSliceMut::new(&mut owner)];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
        let received =
            recvmsg::<UnixAddr>(self.0.as_raw_fd(), &mut buffers, Some(&mut control), flags).ok()?;
        let mut copies = Vec::new();
        for message in received.cmsgs().into_iter().flatten() {
            if let ControlMessageOwned::ScmRights(numbers) = message {
                copies.extend(numbers.into_iter().filter_map(|number| fds::adopt(number).ok()));
            }
        }
        (!copies.is_empty()).then(|| (i32::from_le_bytes(owner), copies))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::time::{Duration, Instant};

    #[test]
    fn all_arrive_with_their_owners_and_a_giver_that_says_nothing_is_waited_for_to_the_deadline() {
        let (giver, taker) = ends().unwrap();
        let files: Vec<OwnedFd> = (0..BATCH + 3)
            .map(|_| File::open("/dev/null").unwrap().into())
            .collect();
        giver.give(7, &files).unwrap();
        giver.give(8, &files[..1]).unwrap();
        giver.end().unwrap();
        let long = || Deadline::after(Duration::from_secs(60));
        let batches = taker.batches(long());
        let counts: Vec<_> = batches.map(|(owner, copies)| (owner, copies.len())).collect();
        assert_eq!(counts, [(7, BATCH), (7, 3), (8, 1)]);
        let begun = Instant::now();
        let short = Deadline::after(Duration::from_millis(50));
        assert_eq!(taker.batches(short).count(), 0);
        assert!(begun.elapsed() >= Duration::from_millis(50));
        drop(giver);
        assert_eq!(taker.batches(long()).count(), 0);
    }
}
