//! Lines on standard error, which is a stream to journald, a file, or a terminal. Several processes of a vassal write
//! to the same stream, each line in one piece. Writing never blocks: what does not fit is kept, up to a limit, and
//! written before the next line. Lines that are dropped at the limit are counted, and the count is reported.
//!
//! The app has the same stream as its standard output and may shut it down (shutdown(2)); from then on lines are sent
//! to journald as datagrams. A separate stream for the app would be simpler, but systemd keeps each stream for journald
//! and compares every new one with all of them: two streams for each of a thousand vassals took a second of a start and
//! of each daemon-reload.

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

/// How many bytes are kept while journald does not read: a full pipe of a hook's output, and the lines about it.
const LIMIT: usize = 128 << 10;

/// Bytes that wait to be written.
struct Backlog {
    /// The process that they belong to: a forked child has a copy of what its parent is going to write.
    owner: Pid,
    bytes: Vec<u8>,
    /// How many lines were dropped since that was last reported.
    lost: usize,
    /// Whether the last bytes written are the beginning of a relayed line.
    is_within_line: bool,
    /// The socket for lines once standard error has been shut down.
    datagrams: Option<Datagrams>,
    is_shut_down: bool,
    /// The command's name, where lines are for a person at a terminal.
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

/// From now on lines are for a person who has called `command`: they begin with its name and not with a priority.
pub fn are_of_command(command: &'static str) {
    backlog().command = Some(command);
}

/// Writes one line to standard error with the priority prefix that systemd reads (sd-daemon(3)). Line ends in `message`
/// are escaped, and a relayed line that is not finished is ended first.
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

/// Writes `bytes` to standard error, without waiting for its reader.
pub fn relay(bytes: &[u8]) {
    let mut backlog = backlog();
    backlog.add(bytes);
    backlog.flush();
}

/// Sets the socket, connected to journald, that is used with `identifier` if standard error is shut down.
///
/// # Errors
/// `EMFILE`.
pub fn use_when_shut_down(socket: BorrowedFd<'_>, identifier: String) -> Result<(), SysError> {
    let socket = socket.try_clone_to_owned();
    let socket = socket.context(|| "keep the socket of journald's")?;
    backlog().datagrams = Some(Datagrams { socket, identifier });
    Ok(())
}

/// Writes as much as there is room for.
pub fn flush() {
    backlog().flush();
}

/// In a forked process: takes over the bytes that its parent had kept. The parent calls [`leave`].
pub fn take_over() {
    BACKLOG.lock().unwrap_or_else(PoisonError::into_inner).owner = getpid();
}

/// Returns the kept bytes, for the next program, which writes them with [`relay`].
pub fn leave() -> Vec<u8> {
    let mut backlog = backlog();
    // The next program does not know of the unfinished line, so it is ended here.
    if backlog.is_within_line {
        backlog.add(b"\n");
    }
    std::mem::take(&mut backlog.bytes)
}

/// Calls `look` with the condition under which kept bytes can be written.
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
        // Each sender's first datagram begins a new line in the journal.
        backlog.is_within_line = false;
    }
    backlog
}

impl Datagrams {
    /// Sends the first line of `bytes`, or the part of it that is there, with its own priority. Returns how many bytes
    /// are done; 0 where there is no room.
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
            // A line that cannot be sent at all is dropped, so that it does not hold up the others.
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

    /// The socket that must have room, if it is not standard error.
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
                // Standard error is a file, a pipe or a terminal: the program was started by hand.
                Err(Errno::ENOTSOCK) => {
                    drop(stderr().write_all(&self.bytes));
                    self.bytes.clear();
                }
                Err(Errno::EPIPE) if self.datagrams.is_some() => self.is_shut_down = true,
                // Standard error is closed.
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
