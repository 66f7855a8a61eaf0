//! The notification socket of an app that has one (`[vassal] notify = true`, `watchdog`). Only readiness and
//! `WATCHDOG=1` are taken, and only from the vassal's own processes. Any process in the same network namespace can send
//! to the socket, so the number of messages read in a time is limited. When nothing more is expected, the kernel is
//! told to drop all messages, which senders do not notice.

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixAddr, UnixCredentials, recvmsg};
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};
use vassal_sys::fds;
use vassal_systemd::journal::{Priority, log};
use vassal_systemd::send_queue::Interest;

/// How many messages are read at once; nothing is read for [`PAUSE`] after that, so a flood costs a hundredth of a
/// core.
const MOST: usize = 64;
/// See [`MOST`].
const PAUSE: Duration = Duration::from_millis(20);
/// How long nothing is read after each look while the app serves: its heartbeats are not urgent.
const SERVING_PAUSE: Duration = Duration::from_millis(250);
/// More messages than any queue can hold (net.unix.max_dgram_qlen).
const WHOLE_QUEUE: usize = 65_536;

/// The messages of an app that were read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Received {
    /// `READY=1`.
    pub is_ready: bool,
    /// `WATCHDOG=1`.
    pub beats: bool,
}

/// The socket.
#[derive(Debug)]
pub struct PayloadNotify {
    socket: OwnedFd,
    /// See [`vassal_state::app::App::sender`].
    sender: Option<u32>,
    is_closed: bool,
    /// Whether the app serves.
    serves: bool,
    pause: Option<Instant>,
    has_told: bool,
}

impl PayloadNotify {
    /// The socket that vassal-enter has bound; `sender` is the user whose messages are taken.
    pub fn new(socket: OwnedFd, sender: Option<u32>) -> Self {
        Self {
            socket,
            sender,
            is_closed: false,
            serves: false,
            pause: None,
            has_told: false,
        }
    }

    /// The condition for the next look.
    pub fn interest(&self) -> Interest<'_> {
        match (self.is_closed, self.pause) {
            (true, _) => Interest::Nothing,
            (false, Some(until)) if until > Instant::now() => Interest::At(until),
            (false, _) => Interest::Readable(self.socket.as_fd()),
        }
    }

    /// The app serves: from now on its messages are not urgent.
    pub fn serves(&mut self) {
        self.serves = true;
    }

    /// Reads the waiting messages, without blocking.
    pub fn hear(&mut self) -> Received {
        if self.is_closed || self.pause.is_some_and(|until| until > Instant::now()) {
            return Received::default();
        }
        let messages = (0..MOST).map_while(|_| self.next());
        let messages: Vec<_> = messages.collect();
        let pause = match messages.len() {
            0 => None,
            _ if self.serves => Some(SERVING_PAUSE),
            MOST => Some(PAUSE),
            _ => None,
        };
        self.pause = pause.map(|pause| Instant::now() + pause);
        if messages.contains(&Heard::Stranger) && !self.has_told {
            self.has_told = true;
            let message =
                "a process outside of the vassal writes to its app's notification socket, ignoring it";
            log(Priority::Warning, message);
        }
        let ours = messages.iter().filter_map(|message| match message {
            Heard::Ours(received) => Some(*received),
            Heard::Stranger => None,
        });
        ours.fold(Received::default(), |all, received| Received {
            is_ready: all.is_ready | received.is_ready,
            beats: all.beats | received.beats,
        })
    }

    /// Reads the next message. The kernel reports the sender's process id in this PID namespace, and 0 for a process
    /// outside of it. If the namespace is the host's, no process is outside, and the sender's user decides.
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
            messages.any(
                |message| matches!(message, ControlMessageOwned::ScmCredentials(who) if self.is_its(&who)),
            )
        });
        let length = received.bytes;
        let lines = message[..length].split(|byte| *byte == b'\n');
        let says = |what: &[u8]| lines.clone().any(|line| line == what);
        Some(match is_ours {
            false => Heard::Stranger,
            true => Heard::Ours(Received {
                is_ready: says(b"READY=1"),
                beats: says(b"WATCHDOG=1"),
            }),
        })
    }

    fn is_its(&self, who: &UnixCredentials) -> bool {
        who.pid() > 0 && self.sender.is_none_or(|uid| [0, uid].contains(&who.uid()))
    }

    /// Stops listening. The queue is emptied once, because a sender may wait for room.
    pub fn end(&mut self) {
        if self.is_closed {
            return;
        }
        match fds::drop_what_comes(self.socket.as_fd()) {
            Ok(()) => {
                self.is_closed = true;
                (0..WHOLE_QUEUE).map_while(|_| self.next()).for_each(drop);
            }
            // Messages are then read with the usual limits.
            Err(error) => log(Priority::Warning, &format!("{error}, ignoring")),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Ours(Received),
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
        (PayloadNotify::new(ours.into(), None), theirs)
    }

    const NOTHING: Received = Received {
        is_ready: false,
        beats: false,
    };

    #[test]
    fn readiness_and_beats_are_heard_and_what_comes_after_the_end_goes_nowhere() {
        let (mut notify, app) = pair();
        // All of it, and what it is heard as.
        const CASES: &[(&[u8], bool, bool)] = &[
            (b"STATUS=READY=1", false, false),
            (b"STATUS=late\nREADY=1", true, false),
            (b"WATCHDOG=1", false, true),
            (b"WATCHDOG=1\nREADY=1\n", true, true),
            (b"WATCHDOG=trigger\nWATCHDOG_USEC=1\nMAINPID=1", false, false),
        ];
        for (message, is_ready, beats) in CASES {
            app.send(message).unwrap();
            let expected = Received {
                is_ready: *is_ready,
                beats: *beats,
            };
            assert_eq!(notify.hear(), expected, "{}", message.escape_ascii());
            assert_eq!(notify.hear(), NOTHING);
        }
        notify.end();
        assert!(matches!(notify.interest(), Interest::Nothing));
        // As many as no queue holds.
        (0..100_000).for_each(|_| assert!(app.send(b"WATCHDOG=1").is_ok()));
        assert!(notify.next().is_none());
    }

    #[test]
    fn an_app_that_serves_is_looked_at_a_few_times_a_second() {
        let (mut notify, app) = pair();
        notify.serves();
        app.send(b"WATCHDOG=1").unwrap();
        assert!(notify.hear().beats);
        app.send(b"WATCHDOG=1").unwrap();
        assert_eq!(notify.hear(), NOTHING);
        assert!(matches!(notify.interest(), Interest::At(_)));
        std::thread::sleep(SERVING_PAUSE);
        assert!(notify.hear().beats);
    }

    #[test]
    fn a_flood_is_read_in_bounds_and_readiness_is_found_in_it() {
        let (mut notify, app) = pair();
        let mut sent = 0;
        while sent < 1000 && app.send(b"STATUS=x").is_ok() {
            sent += 1;
        }
        assert_eq!(notify.hear(), NOTHING);
        assert!(matches!(notify.interest(), Interest::At(_)));
        assert_eq!(notify.hear(), NOTHING);
        let mut is_sent = false;
        let ready = (0..1000).find(|_| {
            is_sent = is_sent || app.send(b"READY=1").is_ok();
            std::thread::sleep(Duration::from_millis(1));
            notify.hear().is_ready
        });
        assert!(is_sent && ready.is_some());
    }
}
