//! Lines on standard error, which is a stream to journald, or a file or a terminal. Several processes of a vassal write into the same
//! stream, each line in one piece. Nothing waits for a reader that does not read: what there is no room for is kept, up to a
//! limit, and written before what comes next; what is lost at that limit is counted and told.

use crate::priority::Priority;
use crate::send_queue::Interest;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};
use nix::unistd::{Pid, getpid};
use std::io::{Write, stderr};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use vassal_escape::printable;
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
    /// What was written last is the beginning of a line of somebody's that was passed on.
    is_within_line: bool,
}

static BACKLOG: Mutex<Backlog> = Mutex::new(Backlog {
    owner: Pid::from_raw(0),
    bytes: Vec::new(),
    lost: 0,
    is_within_line: false,
});

/// Writes one line to standard error, with the priority prefix that systemd reads (sd-daemon(3)). No part of `message` can end
/// the line, and what was passed on before cannot begin it.
pub fn log(priority: Priority, message: &str) {
    let message = printable(message.as_bytes());
    let mut backlog = backlog();
    backlog.add_line(format!("<{}>{message}\n", priority as u8).as_bytes());
    backlog.flush();
}

/// Writes `bytes` to standard error without ever waiting for its reader.
pub fn relay(bytes: &[u8]) {
    let mut backlog = backlog();
    backlog.add(bytes);
    backlog.flush();
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
    let is_empty = backlog().bytes.is_empty();
    let stderr = stderr();
    look(match is_empty {
        true => Interest::Nothing,
        false => Interest::Writable(stderr.as_fd()),
    })
}

/// Waits until everything is written, for at most `limit`.
///
/// # Errors
/// As poll(2).
pub fn deliver(limit: Duration) -> Result<(), SysError> {
    let end = Instant::now() + limit;
    loop {
        flush();
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || backlog().bytes.is_empty() {
            return Ok(());
        }
        let stderr = stderr();
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)], timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).context(|| "wait for journald"),
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

    fn flush(&mut self) {
        while !self.bytes.is_empty() {
            let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
            match send(stderr().as_raw_fd(), &self.bytes, flags) {
                Ok(sent) => drop(self.bytes.drain(..sent)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM) => return,
                // A file, a pipe or a terminal: somebody runs the program by hand.
                Err(Errno::ENOTSOCK) => {
                    drop(stderr().write_all(&self.bytes));
                    self.bytes.clear();
                }
                // Standard error itself is gone: there is nobody left to tell.
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
        };
        backlog.add_line(b"<3>a\n");
        backlog.add(b"half");
        backlog.add(b"");
        backlog.add_line(b"<3>b\n");
        backlog.add(b"whole\n");
        backlog.add_line(b"<3>c\n");
        assert_eq!(backlog.bytes, b"<3>a\nhalf\n<3>b\nwhole\n<3>c\n");
    }
}
