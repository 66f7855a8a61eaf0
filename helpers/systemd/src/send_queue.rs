//! Datagrams that wait for room in the queue of a reader that is behind. A send to a full queue fails at once with `EAGAIN`, and
//! epoll(7) reports `EPOLLOUT` when the reader has taken something out (measured with a thousand senders: no wakeup is lost).
//! But each message that is read wakes every sender that listens, and the reader itself spends a millisecond on a thousand wakeups
//! (measured: a start of a thousand vassals took three times as long). So a sender that was woken and came too late lets some
//! time pass before it listens again, twice as much each time.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};
use nix::unistd::getpid;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use vassal_sys::deadline::Deadline;

/// The pause after the first wakeup that came too late. systemd takes some 50 microseconds for a message, so its queue of 512 does
/// not run empty in the first few pauses, in which hundreds find room.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// How often the pause is doubled. A sender that has found the queue full must be back before systemd has emptied it: systemd looks at its
/// watchdog timers after its queue, and would take a unit that still has a keep-alive to send for dead (measured after a
/// standstill of a minute: with pauses of up to
/// 96 ms it killed 8 of 1000).
const MOST_DOUBLINGS: u32 = 2;
/// The same of one that does not listen ([`SendQueue::retry`]): it has said its last, so no clock of systemd's runs for it, and a
/// thousand that try again every few milliseconds would take the processor from the one that reads.
const MOST_DOUBLINGS_OF_A_RETRY: u32 = 6;

/// One datagram, with the descriptors that go with it.
#[derive(Debug)]
pub struct Datagram {
    /// What it says.
    pub text: Vec<u8>,
    /// What it carries.
    pub fds: Vec<OwnedFd>,
}

/// What a queue waits for.
#[derive(Debug)]
pub enum Interest<'a> {
    /// It is empty.
    Nothing,
    /// This descriptor becomes readable, or is at its end.
    Readable(BorrowedFd<'a>),
    /// This descriptor becomes writable.
    Writable(BorrowedFd<'a>),
    /// This moment.
    At(Instant),
}

/// Why a wait for an [`Interest`] has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// There was nothing to wait for.
    Idle,
    /// The other descriptor can be read.
    ByOther,
    /// It may be met, or the time is over.
    ToTry,
}

impl Interest<'_> {
    /// Waits until it is met, `other` can be read, or the deadline.
    ///
    /// # Errors
    /// As poll(2).
    pub fn wait(self, deadline: Deadline, other: Option<BorrowedFd<'_>>) -> nix::Result<Woken> {
        let (fd, longest) = match self {
            Interest::Nothing => return Ok(Woken::Idle),
            Interest::Readable(fd) => (Some(PollFd::new(fd, PollFlags::POLLIN)), Duration::MAX),
            Interest::Writable(fd) => (Some(PollFd::new(fd, PollFlags::POLLOUT)), Duration::MAX),
            Interest::At(until) => (None, Deadline::at(until).left()),
        };
        let other = other.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        let has_other = other.is_some();
        let mut fds: Vec<_> = other.into_iter().chain(fd).collect();
        deadline.poll(&mut fds, longest)?;
        match has_other && fds[0].any().unwrap_or(false) {
            true => Ok(Woken::ByOther),
            false => Ok(Woken::ToTry),
        }
    }
}

/// A datagram that cannot be sent at all.
#[derive(Debug)]
pub struct Unsendable {
    /// The datagram.
    pub datagram: Option<Datagram>,
    /// The kernel's reason.
    pub errno: Errno,
}

/// Datagrams in the order in which they go.
#[derive(Debug, Default)]
pub struct SendQueue {
    datagrams: VecDeque<Datagram>,
    /// Until when nothing is tried.
    pause: Option<Instant>,
    /// How many wakeups in a row came too late.
    failures: u32,
}

impl SendQueue {
    /// Whether everything has been sent.
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// How many datagrams wait.
    pub fn len(&self) -> usize {
        self.datagrams.len()
    }

    /// The datagrams that wait, to be changed.
    pub fn datagrams(&mut self) -> &mut VecDeque<Datagram> {
        &mut self.datagrams
    }

    /// Takes all datagrams out.
    pub fn take(&mut self) -> Vec<Datagram> {
        self.pause = None;
        self.datagrams.drain(..).collect()
    }

    /// What it waits for, where it sends to `socket`.
    pub fn interest<'a>(&self, socket: BorrowedFd<'a>) -> Interest<'a> {
        match (self.is_empty(), self.pause) {
            (true, _) => Interest::Nothing,
            (false, Some(until)) => Interest::At(until),
            (false, None) => Interest::Writable(socket),
        }
    }

    /// Sends what there is room for, without waiting.
    ///
    /// # Errors
    /// What sendmsg(2) says of a datagram beside that there is no room or no memory: that one is given back, and the next tried at
    /// the next call.
    pub fn flush(&mut self, socket: BorrowedFd<'_>) -> Result<(), Unsendable> {
        match self.pause {
            None => self.send(socket, MOST_DOUBLINGS),
            Some(until) => {
                // Whether there is room now tells the socket.
                self.pause = (until > Instant::now()).then_some(until);
                Ok(())
            }
        }
    }

    /// The same by a process that does nothing else meanwhile: after each pause it tries again, and never listens for room, so that
    /// no message that is read wakes it. Of a thousand that end at the same time, each read would wake all.
    ///
    /// # Errors
    /// As [`SendQueue::flush`].
    pub fn retry(&mut self, socket: BorrowedFd<'_>) -> Result<(), Unsendable> {
        match self.pause {
            Some(until) if until > Instant::now() => Ok(()),
            Some(_) | None => {
                self.pause = None;
                self.send(socket, MOST_DOUBLINGS_OF_A_RETRY)
            }
        }
    }
}

impl SendQueue {
    fn send(&mut self, socket: BorrowedFd<'_>, most_doublings: u32) -> Result<(), Unsendable> {
        while let Some(datagram) = self.datagrams.front() {
            match send(socket, datagram) {
                Ok(()) => {
                    self.datagrams.pop_front();
                    self.failures = 0;
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM) => {
                    self.pause = Some(Instant::now() + self.next_pause(most_doublings));
                    return Ok(());
                }
                Err(errno) => {
                    let datagram = self.datagrams.pop_front();
                    return Err(Unsendable { datagram, errno });
                }
            }
        }
        Ok(())
    }

    /// The next pause; those of different processes differ by up to the half.
    fn next_pause(&mut self, most_doublings: u32) -> Duration {
        let pause = FIRST_PAUSE * 2_u32.pow(self.failures.min(most_doublings));
        self.failures = self.failures.saturating_add(1);
        let apart = getpid().as_raw().unsigned_abs().wrapping_mul(2_654_435_761) >> 22;
        pause / 2 + pause * apart / 1024
    }
}

fn send(socket: BorrowedFd<'_>, datagram: &Datagram) -> nix::Result<()> {
    let numbers: Vec<_> = datagram.fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let control = if numbers.is_empty() {
        &rights[..0]
    } else {
        &rights[..]
    };
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    let text = [IoSlice::new(&datagram.text)];
    sendmsg::<UnixAddr>(socket.as_fd().as_raw_fd(), &text, control, flags, None).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
    use std::os::unix::net::UnixDatagram;
    use std::sync::Barrier;

    /// More than any queue has room for (net.unix.max_dgram_qlen), from as many sockets.
    const SENDERS: usize = 1000;

    fn datagram(text: &str) -> Datagram {
        Datagram {
            text: text.into(),
            fds: Vec::new(),
        }
    }

    /// Sends what is in the queue as the watchdog's loop does.
    fn send_all(queue: &mut SendQueue, socket: &UnixDatagram) {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
        let event = || EpollEvent::new(EpollFlags::EPOLLOUT, 0);
        loop {
            queue.flush(socket.as_fd()).unwrap();
            match queue.interest(socket.as_fd()) {
                Interest::Nothing => return,
                Interest::Readable(_) => unreachable!(),
                Interest::At(until) => {
                    std::thread::sleep(until.saturating_duration_since(Instant::now()));
                }
                Interest::Writable(socket) => {
                    epoll.add(socket, event()).unwrap();
                    let timeout = EpollTimeout::try_from(Duration::from_secs(60)).unwrap();
                    let woken = epoll.wait(&mut [EpollEvent::empty()], timeout).unwrap();
                    assert_eq!(woken, 1, "a wakeup was lost");
                    epoll.delete(socket).unwrap();
                }
            }
        }
    }

    #[test]
    fn a_thousand_senders_to_one_full_queue_lose_nothing() {
        let directory = std::env::temp_dir().join(format!("vassal-queue-{}", std::process::id()));
        let reader = UnixDatagram::bind(&directory).unwrap();
        let full = Barrier::new(SENDERS + 1);
        let mut heard = vec![Vec::new(); SENDERS];
        std::thread::scope(|scope| {
            for number in 0..SENDERS {
                let socket = UnixDatagram::unbound().unwrap();
                socket.connect(&directory).unwrap();
                let full = &full;
                let sender = move || {
                    let mut queue = SendQueue::default();
                    for word in ["first", "second", "third"] {
                        queue.datagrams().push_back(datagram(&format!("{number} {word}")));
                        queue.flush(socket.as_fd()).unwrap();
                    }
                    full.wait();
                    send_all(&mut queue, &socket);
                };
                let thread = std::thread::Builder::new().stack_size(65536);
                thread.spawn_scoped(scope, sender).unwrap();
            }
            full.wait();
            for _ in 0..SENDERS * 3 {
                let mut text = [0; 64];
                let length = reader.recv(&mut text).unwrap();
                let text = std::str::from_utf8(&text[..length]).unwrap();
                let (number, word) = text.split_once(' ').unwrap();
                heard[number.parse::<usize>().unwrap()].push(word.to_owned());
            }
        });
        std::fs::remove_file(&directory).unwrap();
        assert!(heard.iter().all(|words| words == &["first", "second", "third"]));
    }
}
