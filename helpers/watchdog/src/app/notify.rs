//! The notification socket of an app that has one (`[vassal] notify = true`): only readiness is heard, and only from the vassal's own
//! processes. Any process in the same network namespace can send to it, so what is read in a time is bounded, and when the app
//! is ready nothing reaches it any more: the kernel drops what is sent, which its sender is not told.

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixAddr, recvmsg};
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};
use vassal_sys::fds;
use vassal_systemd::journal::{Priority, log};
use vassal_systemd::send_queue::Interest;

/// How many messages are read at a time, and how long nothing is read after that: a flood costs a hundredth of a core.
const MOST: usize = 64;
/// See [`MOST`].
const PAUSE: Duration = Duration::from_millis(20);
/// More than any queue holds (net.unix.max_dgram_qlen).
const WHOLE_QUEUE: usize = 65_536;

/// The socket, as long as the app is not ready.
#[derive(Debug)]
pub struct PayloadNotify {
    socket: OwnedFd,
    is_closed: bool,
    pause: Option<Instant>,
    has_told: bool,
}

impl PayloadNotify {
    /// That which vassal-enter has bound.
    pub fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            is_closed: false,
            pause: None,
            has_told: false,
        }
    }

    /// What the next look waits for.
    pub fn interest(&self) -> Interest<'_> {
        match (self.is_closed, self.pause) {
            (true, _) => Interest::Nothing,
            (false, Some(until)) if until > Instant::now() => Interest::At(until),
            (false, _) => Interest::Readable(self.socket.as_fd()),
        }
    }

    /// Reads what is there, without waiting: whether one of the messages says `READY=1`.
    pub fn says_ready(&mut self) -> bool {
        if self.is_closed || self.pause.is_some_and(|until| until > Instant::now()) {
            return false;
        }
        let messages = (0..MOST).map_while(|_| self.next());
        let messages: Vec<_> = messages.collect();
        self.pause = (messages.len() == MOST).then(|| Instant::now() + PAUSE);
        if messages.contains(&Heard::Stranger) && !self.has_told {
            self.has_told = true;
            let message =
                "a process outside of the vassal writes to its app's notification socket, ignoring it";
            log(Priority::Warning, message);
        }
        let is_ready = messages.contains(&Heard::Ready);
        if is_ready {
            self.end();
        }
        is_ready
    }

    /// The next message. The kernel tells the sender's process id as this PID namespace sees it: 0 is one outside.
    fn next(&self) -> Option<Heard> {
        let mut message = [0; 4096];
        let mut control = nix::cmsg_space!(nix::libc::ucred);
        let mut buffers = [IoSliceMut::new(&mut message)];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
        let received = loop {
            match recvmsg::<UnixAddr>(self.socket.as_raw_fd(), &mut buffers, Some(&mut control), flags) {
                Err(Errno::EINTR) => {}
                received => break received.ok()?,
            }
        };
        let is_ours = received.cmsgs().is_ok_and(|mut messages| {
            messages
                .any(|message| matches!(message, ControlMessageOwned::ScmCredentials(who) if who.pid() > 0))
        });
        let length = received.bytes;
        let mut lines = message[..length].split(|byte| *byte == b'\n');
        Some(match (is_ours, lines.any(|line| line == b"READY=1")) {
            (false, _) => Heard::Stranger,
            (true, true) => Heard::Ready,
            (true, false) => Heard::Other,
        })
    }

    /// Nothing more is to be heard. What waits is read once, as a sender may wait for room.
    fn end(&mut self) {
        match fds::drop_what_comes(self.socket.as_fd()) {
            Ok(()) => {
                self.is_closed = true;
                (0..WHOLE_QUEUE).map_while(|_| self.next()).for_each(drop);
            }
            // It is read in bounds as before.
            Err(error) => log(Priority::Warning, &format!("{error}, ignoring")),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Ready,
    Other,
    Stranger,
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{setsockopt, sockopt};
    use std::os::unix::net::UnixDatagram;

    fn pair() -> (PayloadNotify, UnixDatagram) {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        setsockopt(&ours, sockopt::PassCred, &true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        (PayloadNotify::new(ours.into()), theirs)
    }

    #[test]
    fn readiness_is_heard_once_and_later_messages_go_nowhere() {
        let (mut notify, app) = pair();
        app.send(b"STATUS=READY=1").unwrap();
        assert!(!notify.says_ready());
        app.send(b"STATUS=late\nREADY=1").unwrap();
        assert!(notify.says_ready() && !notify.says_ready());
        assert!(matches!(notify.interest(), Interest::Nothing));
        // As many as no queue holds.
        (0..100_000).for_each(|_| assert!(app.send(b"WATCHDOG=1").is_ok()));
        assert!(notify.next().is_none());
    }

    #[test]
    fn a_flood_is_read_in_bounds_and_readiness_is_found_in_it() {
        let (mut notify, app) = pair();
        let mut sent = 0;
        while sent < 1000 && app.send(b"STATUS=x").is_ok() {
            sent += 1;
        }
        assert!(!notify.says_ready());
        assert!(matches!(notify.interest(), Interest::At(_)));
        assert!(!notify.says_ready());
        let mut is_sent = false;
        let ready = (0..1000).find(|_| {
            is_sent = is_sent || app.send(b"READY=1").is_ok();
            std::thread::sleep(Duration::from_millis(1));
            notify.says_ready()
        });
        assert!(is_sent && ready.is_some());
    }
}
