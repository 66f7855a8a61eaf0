//! sd_notify(3) through a socket that is connected once, before pivot_root, because the socket's path is out of reach
//! afterwards. The functions of the crate sd-notify connect by path at every call, so only its message types are used.
//! systemd's queue holds 512 messages of all services together, and systemd may not read it for a while. So messages
//! that do not fit are kept and sent later; only [`Notifier::deliver`] waits for room.

use crate::send_queue::{Datagram, Interest, SendQueue, Unsendable, Woken};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, Shutdown, SockFlag, SockType, UnixAddr, connect, shutdown, socket};
use nix::unistd::pipe2;
use sd_notify::NotifyState;
use std::cell::{Cell, RefCell};
use std::fmt::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;
use vassal_escape::printable;
use vassal_sys::deadline::Deadline;
use vassal_sys::error::{Context, SysError};
use vassal_sys::fds::unread_bytes;

/// How long a process that ends may wait for systemd to take its last messages. Ending earlier would gain nothing,
/// because a systemd that does not read does nothing else about the vassal either; the limit is there so that no wait
/// is endless.
pub const DELIVERY_LIMIT: Duration = Duration::from_secs(600);

/// The connection to systemd; without a socket where systemd has not started the program.
#[derive(Debug)]
pub struct Notifier {
    socket: Option<OwnedFd>,
    /// A socket that reaches end-of-file when this process may begin to send ([`Notifier::speak_after`]).
    before: RefCell<Option<OwnedFd>>,
    queue: RefCell<SendQueue>,
    /// Whether messages are collected and sent together, later ([`Notifier::gather`]).
    gathers: Cell<bool>,
}

impl Notifier {
    /// Connects to `address`, the value of `$NOTIFY_SOCKET` (a path, or an abstract name after `@`).
    ///
    /// # Errors
    /// When the socket cannot be reached.
    pub fn connect(address: Option<&[u8]>) -> Result<Self, SysError> {
        let Some(address) = address else {
            return Ok(Self::inherited(None, None, Vec::new()));
        };
        connect_datagram(address)
            .context(|| "connect to systemd's notify socket")
            .map(|fd| Self::inherited(Some(fd), None, Vec::new()))
    }

    /// Continues with a `socket` that the previous program connected, and with the `datagrams` that it could not send.
    /// They are sent when the process at the other end of `before` has ended.
    pub fn inherited(socket: Option<OwnedFd>, before: Option<OwnedFd>, datagrams: Vec<Datagram>) -> Self {
        let mut queue = SendQueue::default();
        queue.datagrams().extend(datagrams);
        Self {
            socket,
            before: RefCell::new(before),
            queue: RefCell::new(queue),
            gathers: Cell::new(false),
        }
    }

    /// From now on messages are only collected, in as few datagrams as possible, until [`Notifier::deliver`]. systemd
    /// reads one message in each turn of its loop, and none while it starts a thousand units.
    pub fn gather(&self) {
        self.gathers.set(true);
    }

    /// From now on no message is sent before the main process has ended, which holds the other end of `socket`: systemd
    /// accepts messages of this process only after it has read that one's last. Messages collected before are the main
    /// process's to send.
    pub fn speak_after(&self, socket: OwnedFd) {
        self.queue.borrow_mut().take();
        self.gathers.set(false);
        *self.before.borrow_mut() = Some(socket);
    }

    /// Tells the previous main process that it may end now ([`Notifier::speak_after`]).
    ///
    /// # Errors
    /// As shutdown(2).
    pub fn dismiss(&self) -> Result<(), SysError> {
        match &*self.before.borrow() {
            Some(socket) => shutdown(socket.as_raw_fd(), Shutdown::Write)
                .context(|| "dismiss the main process before this one"),
            None => Ok(()),
        }
    }

    /// Tells the previous main process that it may end, and waits until it has ended or `other` is readable. Returns
    /// whether it has ended.
    ///
    /// # Errors
    /// As shutdown(2), poll(2).
    pub fn wait_for_turn_or(&self, other: BorrowedFd<'_>) -> Result<bool, SysError> {
        self.dismiss()?;
        if let Some(socket) = &*self.before.borrow() {
            let mut fds = [socket.as_fd(), other].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
            while let Err(errno) = poll(&mut fds, PollTimeout::NONE) {
                if errno != Errno::EINTR {
                    return Err(SysError::new("wait for the main process before this one", errno));
                }
            }
            if !fds[0].any().unwrap_or(false) {
                return Ok(false);
            }
        }
        self.before.take();
        Ok(true)
    }

    /// The connected socket, which is handed to the next program.
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    /// Returns, for the next program, the socket that the first message waits for ([`Notifier::speak_after`]) and the
    /// unsent messages.
    pub fn leave(&self) -> (Option<OwnedFd>, Vec<Datagram>) {
        (self.before.take(), self.queue.borrow_mut().take())
    }

    /// Sends `states` as one message, now or as soon as there is room for it.
    ///
    /// # Errors
    /// Any error of sendmsg(2) but a full queue.
    pub fn send(&self, states: &[NotifyState<'_>]) -> Result<(), SysError> {
        self.send_with(states, None)
    }

    /// Puts `fd` into systemd's FD store under `name` (without a colon). systemd passes it to the next start.
    ///
    /// # Errors
    /// As [`Notifier::send`].
    pub fn store(&self, name: &str, fd: BorrowedFd<'_>) -> Result<(), SysError> {
        self.send_with(
            &[
                NotifyState::Custom("FDSTORE=1"),
                NotifyState::Custom(&format!("FDNAME={name}")),
            ],
            Some(fd),
        )
    }

    /// Removes what is stored under `name` from systemd's FD store; systemd closes it.
    ///
    /// # Errors
    /// As [`Notifier::send`].
    pub fn forget(&self, name: &str) -> Result<(), SysError> {
        self.send(&[
            NotifyState::Custom("FDSTOREREMOVE=1"),
            NotifyState::Custom(&format!("FDNAME={name}")),
        ])
    }

    /// Waits until systemd has processed every message sent so far by any process (sd_notify_barrier(3)), for at most
    /// `limit`. It costs systemd 257 a fork and a millisecond, so it is not for a vassal that serves.
    ///
    /// # Errors
    /// As [`Notifier::send`]; `ETIMEDOUT`.
    pub fn barrier(&self, limit: Duration) -> Result<(), SysError> {
        if self.socket.is_none() {
            return Ok(());
        }
        let step = || "wait for systemd to read its notifications";
        let deadline = Deadline::after(limit);
        let (ours, theirs) = pipe2(OFlag::O_CLOEXEC).context(step)?;
        self.deliver(limit, None)?;
        self.send_with(&[NotifyState::Custom("BARRIER=1")], Some(theirs.as_fd()))?;
        drop(theirs);
        self.deliver(deadline.left(), None)?;
        let mut fds = [PollFd::new(ours.as_fd(), PollFlags::empty())];
        // systemd closes its end when it processes this message.
        while !deadline.poll(&mut fds, limit).context(step)? {
            if deadline.is_over() {
                return Err(SysError::new(step(), Errno::ETIMEDOUT));
            }
        }
        Ok(())
    }

    /// Whether every message has been put into systemd's queue.
    pub fn is_sent(&self) -> bool {
        self.queue.borrow().is_empty()
    }

    /// Whether systemd has read every message sent through this socket. While a keep-alive is unread, a second one
    /// would tell systemd nothing more and would take another vassal's room in the queue.
    pub fn is_read(&self) -> bool {
        self.is_sent()
            && self
                .socket
                .as_ref()
                .is_none_or(|socket| unread_bytes(socket).is_ok_and(|bytes| bytes == 0))
    }

    /// Calls `look` with the condition under which unsent messages can be sent.
    pub fn interest<R>(&self, look: impl FnOnce(Interest<'_>) -> R) -> R {
        let queue = self.queue.borrow();
        match (&self.socket, &*self.before.borrow()) {
            (Some(_), Some(before)) if !queue.is_empty() => look(Interest::Readable(before.as_fd())),
            (Some(socket), None) => look(queue.interest(socket.as_fd())),
            (None, _) | (Some(_), Some(_)) => look(Interest::Nothing),
        }
    }

    /// Sends as many messages as there is room for, if the previous main process has ended.
    ///
    /// # Errors
    /// As [`Notifier::send`].
    pub fn flush(&self) -> Result<(), SysError> {
        self.flush_by(SendQueue::flush)
    }

    fn flush_by(
        &self,
        flush: impl FnOnce(&mut SendQueue, BorrowedFd<'_>) -> Result<(), Unsendable>,
    ) -> Result<(), SysError> {
        self.gathers.set(false);
        let Some(socket) = &self.socket else { return Ok(()) };
        if self.has_turn()? {
            let sent = flush(&mut self.queue.borrow_mut(), socket.as_fd());
            sent.map_err(|returned| SysError::new("notify systemd", returned.errno))
        } else {
            Ok(())
        }
    }

    /// Whether the previous main process has ended; does not wait.
    fn has_turn(&self) -> Result<bool, SysError> {
        let has_ended = match &*self.before.borrow() {
            None => return Ok(true),
            Some(socket) => poll(
                &mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)],
                PollTimeout::ZERO,
            )
            .context(|| "look after the main process before this one")?,
        };
        if has_ended > 0 {
            // The previous process sends nothing through it, so readable means end-of-file.
            self.before.take();
        }
        Ok(has_ended > 0)
    }

    /// Waits until all messages are in systemd's queue, for at most `limit`, or until `other` is readable. Returns
    /// whether they are. The previous main process is told to end.
    ///
    /// # Errors
    /// As [`Notifier::send`], poll(2).
    pub fn deliver(&self, limit: Duration, other: Option<BorrowedFd<'_>>) -> Result<bool, SysError> {
        let deadline = Deadline::after(limit);
        self.dismiss()?;
        loop {
            self.flush_by(SendQueue::retry)?;
            let is_last = deadline.is_over();
            let woken = self.interest(|interest| interest.wait(deadline, other));
            match woken.context(|| "wait for systemd")? {
                Woken::Idle => return Ok(true),
                Woken::ByOther => return Ok(false),
                Woken::ToTry if is_last => return Ok(false),
                Woken::ToTry => {}
            }
        }
    }

    fn send_with(&self, states: &[NotifyState<'_>], fd: Option<BorrowedFd<'_>>) -> Result<(), SysError> {
        if self.socket.is_none() {
            return Ok(());
        }
        let text = text_of(states)?;
        let fds = fd.map(|fd| fd.try_clone_to_owned()).transpose();
        let fds = fds.context(|| "keep a descriptor for systemd")?;
        let datagram = Datagram {
            text: text.into_bytes(),
            fds: fds.into_iter().collect(),
        };
        add(&mut self.queue.borrow_mut(), datagram, self.gathers.get());
        match self.gathers.get() {
            true => Ok(()),
            false => self.flush(),
        }
    }
}

/// The lines of a message. A line end within a state is escaped, so that it cannot begin another line.
fn text_of(states: &[NotifyState<'_>]) -> Result<String, SysError> {
    let mut text = String::new();
    for state in states {
        // systemd (252 and 257, measured) treats a backslash in a line as the beginning of an escape.
        let line = printable(state.to_string().as_bytes()).replace('\\', "\\\\");
        // Writing to a String cannot fail; the result is checked all the same.
        writeln!(text, "{line}").map_err(|_| SysError::new("write a notification", Errno::ENOMEM))?;
    }
    Ok(text)
}

const STATUS: &[u8] = b"STATUS=";
const KEEP_ALIVE: &[u8] = b"WATCHDOG=1";
const STORE: &[u8] = b"FDSTORE";

/// Appends `new`. An unsent older status is dropped, and so is a keep-alive that says nothing else; so the queue is
/// bounded by the events that happen once in a vassal's life.
fn add(queue: &mut SendQueue, new: Datagram, joins: bool) {
    let datagrams = queue.datagrams();
    if has(&new, STATUS) {
        datagrams
            .iter_mut()
            .for_each(|datagram| drop_lines(datagram, STATUS));
    }
    if has(&new, KEEP_ALIVE) {
        let is_keep_alive = |datagram: &Datagram| lines(&datagram.text).all(|line| line == KEEP_ALIVE);
        datagrams.retain(|datagram| !is_keep_alive(datagram));
    }
    datagrams.retain(|datagram| !datagram.text.is_empty());
    match datagrams.back_mut() {
        // A message stores or removes under one name only, so two of these are not joined.
        Some(last) if joins && !(has(last, STORE) && has(&new, STORE)) => {
            last.text.extend_from_slice(&new.text);
            last.fds.extend(new.fds);
        }
        Some(_) | None => datagrams.push_back(new),
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

fn has(datagram: &Datagram, what: &[u8]) -> bool {
    lines(&datagram.text).any(|line| line.starts_with(what))
}

fn drop_lines(datagram: &mut Datagram, what: &[u8]) {
    let kept = lines(&datagram.text).filter(|line| !line.starts_with(what));
    datagram.text = kept.flat_map(|line| [line, b"\n"].concat()).collect();
}

/// A datagram socket connected to `address` (a path or `@abstract`).
///
/// # Errors
/// As socket(2), connect(2).
pub fn connect_datagram(address: &[u8]) -> nix::Result<OwnedFd> {
    let fd = socket(
        AddressFamily::Unix,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    let to = match address {
        [b'@', name @ ..] => UnixAddr::new_abstract(name)?,
        path => UnixAddr::new(path)?,
    };
    connect(fd.as_raw_fd(), &to)?;
    Ok(fd)
}

#[cfg(test)]
mod tests;
