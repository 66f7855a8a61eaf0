//! Requests to the servers of a machine, from this process and over the machine's own loopback.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrLike, SockaddrStorage, connect, socket};

use crate::container::machine::Machine;
use crate::failure::Failure;

/// How long a server may take for one answer: longer than any deadline of a watchdog.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Between two requests of [`Machine::poll_http`]: the resolution of what the tests measure.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Why a request got no answer.
#[derive(Debug)]
pub enum HttpError {
    /// There is no connection: refused, mostly.
    Connect(Errno),
    /// The connection broke, or the server kept silent.
    Broken(io::Error),
    /// The server closed the connection without a word.
    Empty,
    /// The answer is not HTTP.
    Malformed(String),
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HttpError::Connect(errno) => write!(f, "cannot connect: {}", errno.desc()),
            HttpError::Broken(reason) => write!(f, "connection broken: {reason}"),
            HttpError::Empty => write!(f, "connection closed without an answer"),
            HttpError::Malformed(answer) => write!(f, "not an HTTP answer: {answer:?}"),
        }
    }
}

impl std::error::Error for HttpError {}

impl Machine {
    /// Asks a server of the machine with a GET and gives the status and the body. Threads may ask at the same time.
    ///
    /// # Errors
    ///
    /// When there is no whole answer within ten seconds.
    ///
    /// # Panics
    ///
    /// When the machine's network namespace cannot be entered.
    pub fn http(&self, port: u16, path: &str) -> Result<(u16, Vec<u8>), HttpError> {
        let connection = self.connect(port)?;
        exchange(connection, path)
    }

    /// The same, of a server on any address of the machine's.
    ///
    /// # Errors
    ///
    /// As for [`Machine::http`].
    ///
    /// # Panics
    ///
    /// As for [`Machine::http`].
    pub fn http_at(&self, address: SocketAddr, path: &str) -> Result<(u16, Vec<u8>), HttpError> {
        let connection = self.connect_to(address)?;
        exchange(connection, path)
    }

    /// A connection to a port on the machine's loopback, with time limits set.
    ///
    /// # Errors
    ///
    /// When nobody listens.
    ///
    /// # Panics
    ///
    /// When the machine's network namespace cannot be entered.
    pub fn connect(&self, port: u16) -> Result<TcpStream, HttpError> {
        self.connect_to((Ipv4Addr::LOCALHOST, port).into())
    }

    fn connect_to(&self, address: SocketAddr) -> Result<TcpStream, HttpError> {
        let address = SockaddrStorage::from(address);
        let family = address.family().unwrap_or(AddressFamily::Inet);
        let socket = self.demand(socket_inside(&self.leader.netns, family));
        let (descriptor, stream) = (socket.as_raw_fd(), TcpStream::from(socket));
        // The limit on sending bounds connecting, too (socket(7), SO_SNDTIMEO).
        stream
            .set_write_timeout(Some(ANSWER_LIMIT))
            .map_err(HttpError::Broken)?;
        stream
            .set_read_timeout(Some(ANSWER_LIMIT))
            .map_err(HttpError::Broken)?;
        connect(descriptor, &address).map_err(HttpError::Connect)?;
        Ok(stream)
    }

    /// Asks every 5 ms until the answer is 200; gives the time that took.
    ///
    /// # Panics
    ///
    /// When it has not been by the deadline, with the last answer.
    pub fn poll_http(&self, port: u16, path: &str, limit: Duration) -> Duration {
        let begun = Instant::now();
        loop {
            let asked = Instant::now();
            let seen = match self.http(port, path) {
                Ok((200, _)) => return begun.elapsed(),
                Ok((status, body)) => format!("{status} {}", String::from_utf8_lossy(&body)),
                Err(error) => error.to_string(),
            };
            assert!(
                begun.elapsed() < limit,
                "{} ({}): no answer from port {port} within {limit:?}; last seen: {seen}\n{}",
                self.name(),
                self.suite(),
                self.state()
            );
            std::thread::sleep(POLL_INTERVAL.saturating_sub(asked.elapsed()));
        }
    }
}

/// A socket belongs to the namespace its maker was in when making it: this thread goes there for one system call.
fn socket_inside(netns: &File, family: AddressFamily) -> Result<OwnedFd, Failure> {
    let own = "/proc/thread-self/ns/net";
    let home = File::open(own).map_err(Failure::file("open", own))?;
    enter(netns)?;
    let made = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None);
    enter(&home)?;
    made.map_err(|errno| Failure::Namespace {
        step: "make a socket in the machine",
        errno,
    })
}

fn enter(netns: &File) -> Result<(), Failure> {
    setns(netns, CloneFlags::CLONE_NEWNET).map_err(|errno| Failure::Namespace {
        step: "enter a network namespace",
        errno,
    })
}

fn exchange(mut connection: TcpStream, path: &str) -> Result<(u16, Vec<u8>), HttpError> {
    let request = format!("GET {path} HTTP/1.0\r\nHost: machine\r\nConnection: close\r\n\r\n");
    connection
        .write_all(request.as_bytes())
        .map_err(HttpError::Broken)?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).map_err(HttpError::Broken)?;
    if answer.is_empty() {
        return Err(HttpError::Empty);
    }
    split(&answer).ok_or_else(|| HttpError::Malformed(String::from_utf8_lossy(&answer).into_owned()))
}

fn split(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let (_minor, rest) = head.strip_prefix("HTTP/1.")?.split_once(' ')?;
    let status = rest.get(..3)?.parse().ok()?;
    Some((status, answer[end + 4..].to_vec()))
}
