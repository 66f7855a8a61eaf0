//! journald's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL), through a socket connected before pivot_root.

use crate::notify::connect_datagram;
use crate::text::printable;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Where journald listens.
const SOCKET: &[u8] = b"/run/systemd/journal/socket";

/// syslog(3) levels as the journal's PRIORITY=.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// What a hook was asked to say.
    Info = 6,
    /// This vassal does not run.
    Error = 3,
    /// It runs, but not as written.
    Warning = 4,
    /// Its state changed.
    Notice = 5,
}

/// An event: a message with the id its catalog entry has, and fields to search by.
#[derive(Debug)]
pub struct Event<'a> {
    /// How grave it is.
    pub priority: Priority,
    /// 32 hexadecimal digits; listed in units/vassal.catalog.
    pub id: &'a str,
    /// One line for people.
    pub message: &'a str,
    /// Further fields, names in capitals.
    pub fields: &'a [(&'a str, &'a str)],
}

/// The journal, where there is one.
#[derive(Debug)]
pub struct Journal {
    socket: Option<OwnedFd>,
    identifier: &'static str,
}

impl Journal {
    /// Connects to journald; without one, events go to standard error as plain lines.
    pub fn connect(identifier: &'static str) -> Self {
        Self {
            socket: connect_datagram(SOCKET).ok(),
            identifier,
        }
    }

    /// The journal of a socket that was connected by the program before this one.
    pub fn inherited(socket: Option<OwnedFd>, identifier: &'static str) -> Self {
        Self { socket, identifier }
    }

    /// The connected socket, to be left to the next program.
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    /// Writes `event`; where journald does not take it, as a line with its priority to standard error.
    pub fn write(&self, event: &Event<'_>) {
        let sent = self.socket.as_ref().and_then(|socket| {
            let text = encode(event, self.identifier);
            send(
                socket.as_raw_fd(),
                &text,
                MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT,
            )
            .ok()
        });
        if sent.is_none() {
            line(event.priority, event.message);
        }
    }
}

/// Writes one line to standard error, with the priority prefix that systemd reads (sd-daemon(3)): in one piece, as
/// several processes of a vassal write into the same stream. No part of `message` can end the line.
pub fn line(priority: Priority, message: &str) {
    let message = printable(message.as_bytes());
    pass_on(format!("<{}>{message}\n", priority as u8).as_bytes());
}

/// Writes `bytes` to standard error without ever waiting for its reader: a journal that does not read must not hold
/// a vassal up. What it has no room for is lost; where standard error itself is gone there is nobody left to tell.
pub fn pass_on(bytes: &[u8]) {
    let mut stderr = std::io::stderr();
    let sent = send(
        stderr.as_raw_fd(),
        bytes,
        MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT,
    );
    // A file, a pipe or a terminal: somebody runs the program by hand.
    if sent == Err(Errno::ENOTSOCK) {
        drop(stderr.write_all(bytes));
    }
}

fn encode(event: &Event<'_>, identifier: &str) -> Vec<u8> {
    let priority = (event.priority as u8).to_string();
    let own = [
        ("MESSAGE", event.message),
        ("MESSAGE_ID", event.id),
        ("PRIORITY", &priority),
        ("SYSLOG_IDENTIFIER", identifier),
    ];
    let mut text = Vec::new();
    for (name, value) in own.iter().chain(event.fields) {
        text.extend_from_slice(name.as_bytes());
        if value.contains('\n') {
            text.push(b'\n');
            text.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            text.push(b'=');
        }
        text.extend_from_slice(value.as_bytes());
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_with_a_line_break_cannot_add_a_field() {
        let event = Event {
            priority: Priority::Error,
            id: "0",
            message: "a\nPRIORITY=0",
            fields: &[("VASSAL", "x")],
        };
        let text = encode(&event, "vassal");
        assert!(text.starts_with(b"MESSAGE\n\x0c\0\0\0\0\0\0\0a\nPRIORITY=0\nMESSAGE_ID=0\nPRIORITY=3\n"));
        assert!(text.ends_with(b"SYSLOG_IDENTIFIER=vassal\nVASSAL=x\n"));
    }
}
