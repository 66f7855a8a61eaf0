//! journald's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL), through a socket that is connected before
//! pivot_root. Sending never blocks: when journald's queue is full, events are kept, up to a limit, and sent later.

use crate::events::MessageId;
use crate::notify::connect_datagram;
use crate::send_queue::{Datagram, Interest, SendQueue, Unsendable, Woken};
use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;
use vassal_escape::printable;
use vassal_sys::deadline::Deadline;
use vassal_sys::error::{Context, SysError};

pub use crate::lines::{log, relay};
pub use crate::priority::Priority;

/// journald's socket.
const SOCKET: &[u8] = b"/run/systemd/journal/socket";
/// The most events that are kept for a journald that does not read; more than one vassal's life has.
const MOST_EVENTS: usize = 64;

/// An event: a message with a MESSAGE_ID and with fields to search by.
#[derive(Debug)]
pub struct Event<'a> {
    /// Its priority.
    pub priority: Priority,
    /// Its id.
    pub id: MessageId,
    /// The message, one line.
    pub message: &'a str,
    /// Further fields; their names are in capitals.
    pub fields: &'a [(&'a str, &'a str)],
}

/// The connection to journald, if there is one.
#[derive(Debug)]
pub struct Journal {
    socket: Option<OwnedFd>,
    identifier: &'static str,
    queue: RefCell<SendQueue>,
    /// How many events were dropped for want of room since that was last reported.
    lost: Cell<u32>,
}

impl Journal {
    /// Connects to journald. Without a journald, events are printed on standard error as plain lines.
    pub fn connect(identifier: &'static str) -> Self {
        Self::inherited(connect_datagram(SOCKET).ok(), identifier, Vec::new())
    }

    /// Continues with a `socket` that the previous program connected, and with the `events` that it could not send.
    pub fn inherited(socket: Option<OwnedFd>, identifier: &'static str, events: Vec<Vec<u8>>) -> Self {
        let mut queue = SendQueue::default();
        queue.datagrams().extend(events.into_iter().map(datagram));
        Self {
            socket,
            identifier,
            queue: RefCell::new(queue),
            lost: Cell::new(0),
        }
    }

    /// The connected socket, which is handed to the next program.
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    /// Returns the events that are still unsent, for the next program.
    pub fn leave(&self) -> Vec<Vec<u8>> {
        let datagrams = self.queue.borrow_mut().take().into_iter();
        datagrams.map(|datagram| datagram.text).collect()
    }

    /// Sends `event` now, or as soon as journald has room for it. Without a journald it is printed with its priority on
    /// standard error.
    pub fn write(&self, event: &Event<'_>) {
        if self.socket.is_none() {
            log(event.priority, event.message);
        } else if self.queue.borrow().len() < MOST_EVENTS {
            let text = encode(event, self.identifier);
            self.queue.borrow_mut().datagrams().push_back(datagram(text));
            self.flush();
        } else {
            self.lost.set(self.lost.get().saturating_add(1));
        }
    }

    /// Calls `look` with the condition under which unsent events can be sent.
    pub fn interest<R>(&self, look: impl FnOnce(Interest<'_>) -> R) -> R {
        match &self.socket {
            Some(socket) => look(self.queue.borrow().interest(socket.as_fd())),
            None => look(Interest::Nothing),
        }
    }

    /// Waits until everything is sent, for at most `limit`.
    ///
    /// # Errors
    /// As poll(2).
    pub fn deliver(&self, limit: Duration) -> Result<(), SysError> {
        let deadline = Deadline::after(limit);
        loop {
            self.flush();
            let is_last = deadline.is_over();
            let woken = self.interest(|interest| interest.wait(deadline, None));
            if woken.context(|| "wait for journald")? == Woken::Idle || is_last {
                return Ok(());
            }
        }
    }

    /// Sends as many events as there is room for, without waiting.
    pub fn flush(&self) {
        let Some(socket) = &self.socket else { return };
        let mut queue = self.queue.borrow_mut();
        while let Err(Unsendable { datagram, .. }) = queue.flush(socket.as_fd()) {
            // journald has been restarted and this socket leads nowhere: the event's message is printed instead.
            if let Some(datagram) = datagram {
                log(Priority::Error, &message_of(&datagram.text));
            }
        }
        let lost = self.lost.take();
        if lost > 0 && queue.is_empty() {
            log(
                Priority::Warning,
                &format!("{lost} events are not in the journal: journald did not read"),
            );
        } else {
            self.lost.set(lost);
        }
    }
}

fn datagram(text: Vec<u8>) -> Datagram {
    Datagram {
        text,
        fds: Vec::new(),
    }
}

/// The message of an encoded event.
fn message_of(text: &[u8]) -> String {
    let message = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    printable(message.strip_prefix(b"MESSAGE=").unwrap_or(text))
}

fn encode(event: &Event<'_>, identifier: &str) -> Vec<u8> {
    let priority = (event.priority as u8).to_string();
    let own = [
        ("MESSAGE", event.message),
        ("MESSAGE_ID", event.id.id),
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
    use crate::events::SERVING;

    #[test]
    fn who_ends_waits_until_a_full_queue_has_room_and_no_longer_than_the_limit() {
        let path = std::env::temp_dir().join(format!("vassal-journal-{}", std::process::id()));
        let reader = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        let socket = connect_datagram(path.as_os_str().as_encoded_bytes()).unwrap();
        let journal = Journal::inherited(Some(socket), "vassal-enter", Vec::new());
        let event = Event {
            priority: Priority::Warning,
            id: SERVING,
            message: "lost",
            fields: &[],
        };
        while journal.queue.borrow().is_empty() {
            journal.write(&event);
        }
        journal.deliver(Duration::from_millis(100)).unwrap();
        assert!(!journal.queue.borrow().is_empty());
        let room = std::thread::spawn(move || reader.recv(&mut [0; 64]).map(|_| reader));
        journal.deliver(Duration::from_secs(60)).unwrap();
        assert!(journal.queue.borrow().is_empty());
        drop(room.join());
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_value_with_a_line_break_cannot_add_a_field() {
        let event = Event {
            priority: Priority::Error,
            id: SERVING,
            message: "a\nPRIORITY=0",
            fields: &[("VASSAL", "x")],
        };
        let text = encode(&event, "vassal");
        assert!(text.starts_with(b"MESSAGE\n\x0c\0\0\0\0\0\0\0a\nPRIORITY=0\nMESSAGE_ID=432e5f4d6e814274ae80f8c9e6ea7cdf\nPRIORITY=3\n"));
        assert_eq!(message_of(b"MESSAGE=a b\nPRIORITY=3\n"), "a b");
        assert!(text.ends_with(b"SYSLOG_IDENTIFIER=vassal\nVASSAL=x\n"));
    }
}
