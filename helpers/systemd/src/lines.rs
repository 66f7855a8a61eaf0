//! Lines on standard error, which is a stream to journald, or a file or a terminal. Several processes of a vassal write into the same
//! stream, each line in one piece. Nothing waits for a reader that does not read: what there is no room for is kept, up to a
//! limit, and written before what comes next; what is lost at that limit is counted and told.
//!
//! The app has the same stream as its standard output and may shut it down (shutdown(2)): then lines go to journald as datagrams.
//! A stream of the app's own would be simpler to reason about, but journald has systemd keep each stream, and systemd compares each
//! that comes with all that it keeps: with two for each of a thousand vassals that took a second of a start and of each daemon-reload.

use crate::priority::Priority;
use crate::send_queue::{Interest, Woken};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};
use nix::unistd::{Pid, getpid};
use std::io::{Write, stderr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use vassal_escape::printable;
use vassal_sys::deadline::Deadline;
use vassal_sys::error::{Context, SysError};

/// What is kept for a journald that does not read, in bytes: a full pipe of a hook's words, and what is said about it.
const LIMIT: usize = 128 << 10;

/// What waits for room.
struct Backlog {
    /// A forked process has a copy of what its parent is going to write.
    owner: Pid,
    bytes: Vec<u8>,
    /// How many lines were lost since that was last told.
    lost: usize,
    /// What was written last is the beginning of a relayed line.
    is_within_line: bool,
    /// Where lines go when standard error has been shut down.
    datagrams: Option<Datagrams>,
    is_shut_down: bool,
    /// The command that lines are of, where a person reads them.
    command: Option<&'static str>,
}

/// journald's socket for datagrams.
struct Datagrams {
    socket: OwnedFd,
    identifier: String,
}

static BACKLOG: Mutex<Backlog> = Mutex::new(Backlog {
    owner: Pid::from_raw(0),
    bytes: Vec::new(),
    lost: 0,
    is_within_line: false,
    datagrams: None,
    is_shut_down: false,
    command: None,
});

/// From here on lines are for a person who has called `command`, and begin with its name and not with their priority.
pub fn are_of_command(command: &'static str) {
    backlog().command = Some(command);
}

/// Writes one line to standard error, with the priority prefix that systemd reads (sd-daemon(3)). No part of `message` can end
/// the line, and what was passed on before cannot begin it.
pub fn log(priority: Priority, message: &str) {
    let message = printable(message.as_bytes());
    let mut backlog = backlog();
    let line = match backlog.command {
        Some(command) => format!("{command}: {message}\n"),
        None => format!("<{}>{message}\n", priority as u8),
    };
    backlog.add_line(line.as_bytes());
    backlog.flush();
}

/// Writes `bytes` to standard error without ever waiting for its reader.
pub fn relay(bytes: &[u8]) {
    let mut backlog = backlog();
    backlog.add(bytes);
    backlog.flush();
}

/// From here on lines go through `socket`, which is connected to journald, with `identifier`, should standard error be shut down.
///
/// # Errors
/// `EMFILE`.
pub fn use_when_shut_down(socket: BorrowedFd<'_>, identifier: String) -> Result<(), SysError> {
    let socket = socket.try_clone_to_owned();
    let socket = socket.context(|| "keep the socket of journald's")?;
    backlog().datagrams = Some(Datagrams { socket, identifier });
    Ok(())
}

/// Writes what there is room for.
pub fn flush() {
    backlog().flush();
}

/// This process goes on with what waited in the one that it is a copy of, and that has let go of it ([`leave`]).
pub fn take_over() {
    BACKLOG.lock().unwrap_or_else(PoisonError::into_inner).owner = getpid();
}

/// What waits, for the next program, which says it by [`relay`].
pub fn leave() -> Vec<u8> {
    let mut backlog = backlog();
    // The next program does not know that its first line would go on with another's.
    if backlog.is_within_line {
        backlog.add(b"\n");
    }
    std::mem::take(&mut backlog.bytes)
}

/// What the lines that could not be written yet wait for.
pub fn interest<R>(look: impl FnOnce(Interest<'_>) -> R) -> R {
    let backlog = backlog();
    let stderr = stderr();
    look(match backlog.bytes.is_empty() {
        true => Interest::Nothing,
        false => Interest::Writable(backlog.target().unwrap_or(stderr.as_fd())),
    })
}

/// Waits until everything is written, for at most `limit`.
///
/// # Errors
/// As poll(2).
pub fn deliver(limit: Duration) -> Result<(), SysError> {
    let deadline = Deadline::after(limit);
    loop {
        flush();
        let is_last = deadline.is_over();
        let woken = interest(|interest| interest.wait(deadline, None));
        if woken.context(|| "wait for journald")? == Woken::Idle || is_last {
            return Ok(());
        }
    }
}

fn backlog() -> MutexGuard<'static, Backlog> {
    let mut backlog = BACKLOG.lock().unwrap_or_else(PoisonError::into_inner);
    if backlog.owner != getpid() {
        backlog.owner = getpid();
        backlog.bytes.clear();
        backlog.lost = 0;
        // journald begins a line anew for each process.
        backlog.is_within_line = false;
    }
    backlog
}

impl Datagrams {
    /// Sends the first line of `bytes`, or what there is of it, with the priority that it begins with; how much of `bytes` is done
    /// with. Nothing, where there is no room.
    fn send_first_line(&self, bytes: &[u8]) -> usize {
        let length = bytes.iter().position(|byte| *byte == b'\n');
        let (line, length) = match length {
            Some(length) => (&bytes[..length], length + 1),
            None => (bytes, bytes.len()),
        };
        let (priority, message) = match line {
            [b'<', digit @ b'0'..=b'7', b'>', message @ ..] => (char::from(*digit), message),
            message => ('6', message),
        };
        let head = format!(
            "PRIORITY={priority}\nSYSLOG_IDENTIFIER={}\nMESSAGE=",
            self.identifier
        );
        let text = [head.as_bytes(), message, b"\n"].concat();
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        match send(self.socket.as_raw_fd(), &text, flags) {
            Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM | Errno::EINTR) => 0,
            // One that cannot be sent at all is not to hold up the others.
            Ok(_) | Err(_) => length,
        }
    }
}

impl Backlog {
    fn add(&mut self, bytes: &[u8]) {
        if self.bytes.len() + bytes.len() > LIMIT {
            self.lost += bytes.iter().filter(|byte| **byte == b'\n').count().max(1);
        } else if let Some(last) = bytes.last() {
            self.bytes.extend_from_slice(bytes);
            self.is_within_line = *last != b'\n';
        }
    }

    fn add_line(&mut self, line: &[u8]) {
        if self.is_within_line {
            self.add(b"\n");
        }
        self.add(line);
    }

    /// What has to have room, if it is not standard error.
    fn target(&self) -> Option<BorrowedFd<'_>> {
        let datagrams = self.datagrams.as_ref().filter(|_| self.is_shut_down);
        datagrams.map(|datagrams| datagrams.socket.as_fd())
    }

    fn flush(&mut self) {
        while !self.bytes.is_empty() {
            if let (true, Some(datagrams)) = (self.is_shut_down, &self.datagrams) {
                let sent = datagrams.send_first_line(&self.bytes);
                self.bytes.drain(..sent);
                if sent == 0 {
                    return;
                }
                continue;
            }
            let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
            match send(stderr().as_raw_fd(), &self.bytes, flags) {
                Ok(sent) => drop(self.bytes.drain(..sent)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM) => return,
                // A file, a pipe or a terminal: the program is run by hand.
                Err(Errno::ENOTSOCK) => {
                    drop(stderr().write_all(&self.bytes));
                    self.bytes.clear();
                }
                Err(Errno::EPIPE) if self.datagrams.is_some() => self.is_shut_down = true,
                // Standard error itself is closed.
                Err(_) => self.bytes.clear(),
            }
            if self.bytes.is_empty() && self.lost > 0 {
                let lost = std::mem::take(&mut self.lost);
                let text = format!("<4>{lost} lines are missing here: journald did not read\n");
                self.add_line(text.as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_has_a_limit_and_what_is_lost_is_counted() {
        let mut backlog = Backlog {
            owner: getpid(),
            bytes: Vec::new(),
            lost: 0,
            is_within_line: false,
            datagrams: None,
            is_shut_down: false,
            command: None,
        };
        backlog.add(&vec![b'x'; LIMIT - 2]);
        backlog.add(b"y\n");
        assert_eq!((backlog.bytes.len(), backlog.lost), (LIMIT, 0));
        backlog.add(b"z\n");
        backlog.add(b"1\n2\n");
        assert_eq!((backlog.bytes.len(), backlog.lost), (LIMIT, 3));
    }

    #[test]
    fn a_line_of_ours_never_goes_on_with_the_beginning_of_anothers() {
        let mut backlog = Backlog {
            owner: getpid(),
            bytes: Vec::new(),
            lost: 0,
            is_within_line: false,
            datagrams: None,
            is_shut_down: false,
            command: None,
        };
        backlog.add_line(b"<3>a\n");
        backlog.add(b"half");
        backlog.add(b"");
        backlog.add_line(b"<3>b\n");
        backlog.add(b"whole\n");
        backlog.add_line(b"<3>c\n");
        assert_eq!(backlog.bytes, b"<3>a\nhalf\n<3>b\nwhole\n<3>c\n");
    }

    #[test]
    fn a_line_that_the_stream_does_not_take_any_more_is_a_datagram_with_its_priority() {
        let (reader, socket) = std::os::unix::net::UnixDatagram::pair().unwrap();
        let datagrams = Datagrams {
            socket: socket.into(),
            identifier: "shop".into(),
        };
        let mut bytes = b"<3>a=b\nplain\n<9>".to_vec();
        let mut heard = Vec::new();
        while !bytes.is_empty() {
            let sent = datagrams.send_first_line(&bytes);
            bytes.drain(..sent);
            let mut text = [0; 100];
            let length = reader.recv(&mut text).unwrap();
            heard.push(String::from_utf8_lossy(&text[..length]).into_owned());
        }
        assert_eq!(
            heard,
            [
                "PRIORITY=3\nSYSLOG_IDENTIFIER=shop\nMESSAGE=a=b\n",
                "PRIORITY=6\nSYSLOG_IDENTIFIER=shop\nMESSAGE=plain\n",
                "PRIORITY=6\nSYSLOG_IDENTIFIER=shop\nMESSAGE=<9>\n",
            ]
        );
    }
}
