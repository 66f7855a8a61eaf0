//! sd_notify(3) through a socket that is connected once, before pivot_root: afterwards the path is gone. sd-notify's
//! own functions connect by path at every call, so only its message types are used.

use crate::error::{Step, SysError};
use crate::text::printable;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, Shutdown, SockFlag, SockType, UnixAddr, connect, sendmsg,
    setsockopt, shutdown, socket, sockopt::SendTimeout,
};
use nix::sys::time::TimeVal;
use nix::unistd::{pipe2, read};
use sd_notify::NotifyState;
use std::cell::RefCell;
use std::fmt::Write;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// How long a message may wait for systemd to read its queue: long enough for a busy PID 1, short enough that a
/// watchdog is never lost in it.
const SEND_LIMIT_SECONDS: i64 = 1;

/// systemd's ear, or nobody's when the program was not started by systemd.
#[derive(Debug)]
pub struct Notifier {
    socket: Option<OwnedFd>,
    /// Ends when the first message may go.
    before: RefCell<Option<OwnedFd>>,
}

impl Notifier {
    /// Connects to `address`, the value of `$NOTIFY_SOCKET` (a path, or an abstract name after `@`).
    ///
    /// # Errors
    /// When the socket cannot be reached.
    pub fn connect(address: Option<&[u8]>) -> Result<Self, SysError> {
        let Some(address) = address else {
            return Ok(Self::inherited(None));
        };
        connect_datagram(address)
            .step(|| "connect to systemd's notify socket")
            .map(|fd| Self::inherited(Some(fd)))
    }

    /// The notifier of a socket that was connected by the program before this one.
    pub fn inherited(socket: Option<OwnedFd>) -> Self {
        Self {
            socket,
            before: RefCell::new(None),
        }
    }

    /// From here on no message goes before the main process has ended, which holds the other end of `socket`: systemd
    /// hears the next one only when that has spoken for the last time.
    pub fn speak_after(&self, socket: OwnedFd) {
        *self.before.borrow_mut() = Some(socket);
    }

    /// Dismisses the main process before this one, and waits until it has ended ([`Notifier::speak_after`]).
    ///
    /// # Errors
    /// As shutdown(2), read(2).
    pub fn wait_for_turn(&self) -> Result<(), SysError> {
        let Some(socket) = self.before.take() else {
            return Ok(());
        };
        let ended = shutdown(socket.as_raw_fd(), Shutdown::Write).and_then(|()| read(&socket, &mut [0]));
        ended
            .map(drop)
            .step(|| "wait for the main process before this one")
    }

    /// The same, or until `other` can be read; whether it is this one's turn.
    ///
    /// # Errors
    /// As [`Notifier::wait_for_turn`], poll(2).
    pub fn wait_for_turn_or(&self, other: BorrowedFd<'_>) -> Result<bool, SysError> {
        let step = || "wait for the main process before this one";
        if let Some(socket) = &*self.before.borrow() {
            shutdown(socket.as_raw_fd(), Shutdown::Write).step(step)?;
            let mut fds = [socket.as_fd(), other].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
            while let Err(errno) = poll(&mut fds, PollTimeout::NONE) {
                if errno != Errno::EINTR {
                    return Err(SysError::new(step(), errno));
                }
            }
            if !fds[0].any().unwrap_or(false) {
                return Ok(false);
            }
        }
        self.wait_for_turn().map(|()| true)
    }

    /// The connected socket, to be left to the next program.
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    /// Sends `states` as one message.
    ///
    /// # Errors
    /// `EAGAIN` when systemd did not read for a second; what else sendmsg(2) says.
    pub fn send(&self, states: &[NotifyState<'_>]) -> Result<(), SysError> {
        self.send_with(states, &[])
    }

    /// Puts `fd` into systemd's FD store under `name`, which has no colon: it comes back at the next start.
    ///
    /// # Errors
    /// As [`Notifier::send`].
    pub fn store(&self, name: &str, fd: BorrowedFd<'_>) -> Result<(), SysError> {
        self.send_with(
            &[
                NotifyState::Custom("FDSTORE=1"),
                NotifyState::Custom(&format!("FDNAME={name}")),
            ],
            &[fd],
        )
    }

    /// Takes what is stored under `name` out of systemd's FD store, which closes it.
    ///
    /// # Errors
    /// As [`Notifier::send`].
    pub fn forget(&self, name: &str) -> Result<(), SysError> {
        self.send(&[
            NotifyState::Custom("FDSTOREREMOVE=1"),
            NotifyState::Custom(&format!("FDNAME={name}")),
        ])
    }

    /// Waits until systemd has processed everything sent so far, by whomever (sd_notify_barrier(3)), for at most
    /// `limit`. It costs systemd 257 a process and a millisecond: nothing for the steady state.
    ///
    /// # Errors
    /// As [`Notifier::send`]; `ETIMEDOUT`.
    pub fn barrier(&self, limit: Duration) -> Result<(), SysError> {
        if self.socket.is_none() {
            return Ok(());
        }
        let step = || "wait for systemd to read its notifications";
        let (ours, theirs) = pipe2(OFlag::O_CLOEXEC).step(step)?;
        self.send_with(&[NotifyState::Custom("BARRIER=1")], &[theirs.as_fd()])?;
        drop(theirs);
        let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(ours.as_fd(), PollFlags::empty())], timeout).step(step)? {
            0 => Err(SysError::new(step(), Errno::ETIMEDOUT)),
            _ => Ok(()),
        }
    }

    fn send_with(&self, states: &[NotifyState<'_>], fds: &[BorrowedFd<'_>]) -> Result<(), SysError> {
        let Some(socket) = &self.socket else { return Ok(()) };
        self.wait_for_turn()?;
        let mut text = String::new();
        for state in states {
            // Writing to a String cannot fail; the result is looked at all the same.
            // systemd (252 and 257, measured) takes a backslash in a line for the beginning of an escape.
            // Nothing in a state can end its line and begin another.
            let line = printable(state.to_string().as_bytes()).replace('\\', "\\\\");
            writeln!(text, "{line}").map_err(|_| SysError::new("write a notification", Errno::ENOMEM))?;
        }
        let numbers: Vec<_> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&numbers)];
        let control = if numbers.is_empty() {
            &rights[..0]
        } else {
            &rights[..]
        };
        let data = [IoSlice::new(text.as_bytes())];
        sendmsg::<UnixAddr>(socket.as_raw_fd(), &data, control, MsgFlags::MSG_NOSIGNAL, None)
            .map(drop)
            .step(|| "notify systemd")
    }
}

/// A datagram socket connected to `address` (a path or `@abstract`), with a limit on how long a send may wait.
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
    setsockopt(&fd, SendTimeout, &TimeVal::new(SEND_LIMIT_SECONDS, 0))?;
    Ok(fd)
}
