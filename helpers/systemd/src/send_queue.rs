//! Datagrams that wait for room in the queue of a slow reader. Sending to a full queue fails at once with `EAGAIN`, and
//! epoll(7) reports `EPOLLOUT` when the reader has taken a message out (measured with a thousand senders: no wakeup is
//! lost). But each read wakes every sender that listens, and costs the reader a millisecond for a thousand wakeups
//! (measured: a start of a thousand vassals took three times as long). So a sender that was woken and found the queue
//! full again pauses before it listens again, twice as long each time.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};
use nix::unistd::getpid;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use vassal_sys::deadline::Deadline;

/// The first pause. systemd needs some 50 microseconds for a message, so its queue of 512 does not run empty during the
/// first pauses, in which hundreds of senders find room.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// How often the pause is doubled. A sender must be back before systemd has emptied its queue: systemd checks its
/// watchdog timers after that, and kills a unit whose keep-alive is still unsent (measured after a standstill of a
/// minute: with pauses of up to 96 ms it killed 8 of 1000).
const MOST_DOUBLINGS: u32 = 2;
/// The same for [`SendQueue::retry`]. A process that uses it has sent everything else and is not watched by a timer of
/// systemd's; a thousand of them that try every few milliseconds would take the processor from systemd.
const MOST_DOUBLINGS_OF_A_RETRY: u32 = 6;

/// One datagram, with the descriptors it carries.
#[derive(Debug)]
pub struct Datagram {
    /// Its text.
    pub text: Vec<u8>,
    /// Its descriptors.
    pub fds: Vec<OwnedFd>,
}

/// The condition under which the next datagram can be sent.
#[derive(Debug)]
pub enum Interest<'a> {
    /// None: the queue is empty.
    Nothing,
    /// This descriptor becomes readable or reaches end-of-file.
    Readable(BorrowedFd<'a>),
    /// This descriptor becomes writable.
    Writable(BorrowedFd<'a>),
    /// This time is reached.
    At(Instant),
}

/// Why [`Interest::wait`] has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// There was nothing to wait for.
    Idle,
    /// The other descriptor is readable.
    ByOther,
    /// The condition may be met, or the deadline is over.
    ToTry,
}

impl Interest<'_> {
    /// Waits until the condition is met, `other` is readable, or the deadline is over.
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
    /// The errno of sendmsg(2).
    pub errno: Errno,
}

/// Datagrams in the order in which they are sent.
#[derive(Debug, Default)]
pub struct SendQueue {
    datagrams: VecDeque<Datagram>,
    /// No attempt is made before this time.
    pause: Option<Instant>,
    /// How many times in a row the queue was full again after a wakeup.
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

    /// The condition under which the next datagram can be sent to `socket`.
    pub fn interest<'a>(&self, socket: BorrowedFd<'a>) -> Interest<'a> {
        match (self.is_empty(), self.pause) {
            (true, _) => Interest::Nothing,
            (false, Some(until)) => Interest::At(until),
            (false, None) => Interest::Writable(socket),
        }
    }

    /// Sends as many datagrams as there is room for, without waiting.
    ///
    /// # Errors
    /// Any error of sendmsg(2) but a full queue or a lack of memory. That datagram is given back; the next one is tried
    /// at the next call.
    pub fn flush(&mut self, socket: BorrowedFd<'_>) -> Result<(), Unsendable> {
        match self.pause {
            None => self.send(socket, MOST_DOUBLINGS),
            Some(until) => {
                // Only the socket knows whether there is room by now.
                self.pause = (until > Instant::now()).then_some(until);
                Ok(())
            }
        }
    }

    /// As [`SendQueue::flush`], for a process that does nothing else: it tries again after each pause and never listens
    /// for room, so that reads do not wake it. If a thousand ending processes listened, each read would wake all of
    /// them.
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

    /// The next pause. It is varied by up to a half, so that processes do not try at the same time.
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
