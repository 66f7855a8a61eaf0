//! One HTTP request on a connection of its own, and what can become of it.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use vassal_tests::{HttpError, Machine};

/// How long a request waits: longer than a restart of vassal takes, because its listening socket stays open and what is asked in
/// the meantime is answered afterwards; short enough for those who wait in vain to fit in the socket's backlog of 100.
pub const PATIENCE: Duration = Duration::from_millis(400);

/// Between the beginnings of two requests: the resolution of what is measured.
pub const INTERVAL: Duration = Duration::from_millis(3);

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The whole answer that the app gives when it can read through its mount.
    Served,
    /// Another status, or another answer.
    Wrong,
    /// Nobody listened.
    Refused,
    /// The connection broke.
    Reset,
    /// The connection was closed without an answer.
    Empty,
    /// No answer within [`PATIENCE`].
    Silent,
}

/// How often requests failed, by the way they did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Failures {
    wrong: usize,
    refused: usize,
    reset: usize,
    empty: usize,
    silent: usize,
}

impl Failures {
    /// Counts what became of a request; one that was served is no failure.
    pub fn count(&mut self, fate: Fate) {
        match fate {
            Fate::Served => {}
            Fate::Wrong => self.wrong += 1,
            Fate::Refused => self.refused += 1,
            Fate::Reset => self.reset += 1,
            Fate::Empty => self.empty += 1,
            Fate::Silent => self.silent += 1,
        }
    }

    /// All of them.
    pub fn total(&self) -> usize {
        self.wrong + self.refused + self.reset + self.empty + self.silent
    }

    /// Adds those of another incident.
    pub fn add(&mut self, other: &Failures) {
        self.wrong += other.wrong;
        self.refused += other.refused;
        self.reset += other.reset;
        self.empty += other.empty;
        self.silent += other.silent;
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failures {
            wrong,
            refused,
            reset,
            empty,
            silent,
        } = self;
        write!(
            f,
            "{wrong} answered other than 200, {refused} refused, {reset} reset, {empty} closed without an answer, \
             {silent} without an answer within {} ms",
            PATIENCE.as_millis()
        )
    }
}

/// Asks for a path and compares the answer's body.
///
/// # Panics
///
/// When the machine's network namespace cannot be entered.
pub fn ask(machine: &Machine, port: u16, path: &str, expected: &str) -> Fate {
    match machine.connect(port) {
        Ok(connection) => {
            exchange(connection, path, expected).unwrap_or_else(|reason| fate_of(reason.kind()))
        }
        Err(HttpError::Connect(_)) => Fate::Refused,
        Err(HttpError::Broken(reason)) => fate_of(reason.kind()),
        Err(HttpError::Empty) => Fate::Empty,
        Err(HttpError::Malformed(_)) => Fate::Wrong,
    }
}

/// Waits until the next request is due, given when the last one was sent.
pub fn wait_for_turn(asked: Instant) {
    std::thread::sleep(INTERVAL.saturating_sub(asked.elapsed()));
}

fn exchange(mut connection: TcpStream, path: &str, expected: &str) -> io::Result<Fate> {
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.write_all(format!("GET {path} HTTP/1.0\r\nHost: machine\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer)?;
    if answer.is_empty() {
        return Ok(Fate::Empty);
    }
    let answer = String::from_utf8_lossy(&answer);
    let is_ok = answer.split(' ').nth(1) == Some("200");
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
    Ok(if is_ok && body == Some(expected) {
        Fate::Served
    } else {
        Fate::Wrong
    })
}

fn fate_of(kind: ErrorKind) -> Fate {
    match kind {
        // A read that times out is one or the other (socket(7), SO_RCVTIMEO).
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Fate::Silent,
        _ => Fate::Reset,
    }
}
