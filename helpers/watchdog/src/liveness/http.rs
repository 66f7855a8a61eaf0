//! A request to an HTTP server and the status of its answer. Whatever the server does, at most one line of
//! [`STATUS_LINE`] bytes and [`REST`] further bytes are read, and no wait exceeds the deadline.

use crate::liveness::verdict::Sign;
use crate::liveness::way::Way;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, setsockopt, socket, sockopt};
use nix::sys::time::TimeVal;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use vassal_state::app::Url;
use vassal_sys::deadline::Deadline;

/// The longest status line that is read; the rest of a longer one does not matter.
const STATUS_LINE: usize = 256;
/// How much of the rest of an answer is read: a server whose answer is not read reports a broken connection.
const REST: usize = 64 * 1024;
/// The shortest time limit that a socket accepts.
const SHORTEST: Duration = Duration::from_millis(1);

/// A connection to an app.
#[derive(Debug)]
pub enum Connection {
    /// To a TCP address.
    Tcp(TcpStream),
    /// To a unix socket.
    Unix(UnixStream),
}

impl Connection {
    /// Connects to `address`, `IP:PORT` or a path that is reached by `way`.
    ///
    /// # Errors
    /// As connect(2).
    pub fn to(address: &str, way: Way<'_>, deadline: Deadline) -> std::result::Result<Self, Errno> {
        match address.parse::<SocketAddr>() {
            Ok(address) => TcpStream::connect_timeout(&address, deadline.left().max(SHORTEST))
                .map(Connection::Tcp)
                .map_err(|error| errno(&error)),
            Err(_) => {
                let socket = named(deadline)?;
                way.connect(&socket, Path::new(address))?;
                Ok(Connection::Unix(socket.into()))
            }
        }
    }

    /// Its descriptor.
    pub fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Connection::Tcp(stream) => stream.as_fd(),
            Connection::Unix(stream) => stream.as_fd(),
        }
    }

    /// Sends a GET request for `url`.
    ///
    /// # Errors
    /// As write(2); `EAGAIN` when the server does not read in time.
    pub fn ask(&mut self, url: &Url, deadline: Deadline) -> std::result::Result<(), Errno> {
        let host = match url.address.starts_with('/') {
            true => "localhost",
            false => &url.address,
        };
        let text = format!(
            "GET {} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: vassal\r\nAccept: */*\r\nConnection: close\r\n\r\n",
            url.path
        );
        let limit = Some(deadline.left().max(SHORTEST));
        let sent = match self {
            Connection::Tcp(stream) => stream
                .set_write_timeout(limit)
                .and_then(|()| stream.write_all(text.as_bytes())),
            Connection::Unix(stream) => stream
                .set_write_timeout(limit)
                .and_then(|()| stream.write_all(text.as_bytes())),
        };
        sent.map_err(|error| errno(&error))
    }

    /// Reads the status of the answer, or finds out why there is none.
    pub fn sign(&mut self, deadline: Deadline) -> Sign {
        let begun = deadline.left();
        let mut line = Vec::with_capacity(STATUS_LINE);
        let mut piece = [0; STATUS_LINE];
        loop {
            let room = STATUS_LINE - line.len();
            let is_whole = room == 0 || line.contains(&b'\n');
            match self.read(&mut piece[..room], deadline) {
                _ if is_whole => return status(&line),
                Ok(0) if line.is_empty() => return Sign::Closed,
                Ok(0) => return status(&line),
                Ok(count) => line.extend_from_slice(&piece[..count]),
                Err(error) => {
                    return match error.kind() {
                        ErrorKind::WouldBlock | ErrorKind::TimedOut => Sign::Late(begun),
                        _ => Sign::Failed(errno(&error)),
                    };
                }
            }
        }
    }

    /// Reads the rest of the answer, until the deadline or [`REST`] bytes.
    pub fn finish(mut self, deadline: Deadline) {
        let mut piece = [0; 4096];
        let mut left = REST;
        while left > 0 {
            match self.read(&mut piece, deadline) {
                Ok(count @ 1..) => left = left.saturating_sub(count),
                Ok(0) | Err(_) => return,
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize> {
        if deadline.is_over() {
            return Err(Error::from(ErrorKind::TimedOut));
        }
        let limit = Some(deadline.left().max(SHORTEST));
        match self {
            Connection::Tcp(stream) => {
                stream.set_read_timeout(limit)?;
                stream.read(buffer)
            }
            Connection::Unix(stream) => {
                stream.set_read_timeout(limit)?;
                stream.read(buffer)
            }
        }
    }
}

/// Parses a status line such as `HTTP/1.1 200 OK`.
fn status(line: &[u8]) -> Sign {
    let mut words = line.split(|byte| *byte == b' ');
    let is_http = words
        .next()
        .is_some_and(|version| version.starts_with(b"HTTP/1."));
    let digits = words.next().map(<[u8]>::trim_ascii_end);
    let digits =
        digits.filter(|digits| is_http && digits.len() == 3 && digits.iter().all(u8::is_ascii_digit));
    let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    number.map_or(Sign::NoHttp, Sign::Status)
}

/// A unix socket with a name that the kernel chooses (unix(7), autobind).
fn named(deadline: Deadline) -> std::result::Result<OwnedFd, Errno> {
    let socket = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    bind(socket.as_raw_fd(), &UnixAddr::new_unnamed())?;
    // connect(2) waits while the server's queue is full.
    let limit = deadline.left().max(SHORTEST);
    let limit = TimeVal::new(limit.as_secs() as i64, limit.subsec_micros().into());
    setsockopt(&socket, sockopt::SendTimeout, &limit)?;
    Ok(socket)
}

fn errno(error: &Error) -> Errno {
    match (error.raw_os_error(), error.kind()) {
        (Some(number), _) => Errno::from_raw(number),
        (None, ErrorKind::TimedOut) => Errno::ETIMEDOUT,
        (None, _) => Errno::EIO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::{sleep, spawn};
    use std::time::Instant;

    fn answered(answer: &'static [u8], limit: Duration) -> Sign {
        let (mut server, client) = UnixStream::pair().unwrap();
        let mut connection = Connection::Unix(client);
        let sending = spawn(move || drop(server.write_all(answer)));
        let sign = connection.sign(Deadline::after(limit));
        connection.finish(Deadline::after(limit));
        sending.join().unwrap();
        sign
    }

    #[test]
    fn an_answer_is_its_status_and_what_is_none_is_told() {
        const LONG: &[u8] = &[b'x'; 100_000];
        const CASES: &[(&[u8], Sign)] = &[
            (b"HTTP/1.1 200 OK\r\n\r\n", Sign::Status(200)),
            (b"HTTP/1.0 200\r\n\r\n", Sign::Status(200)),
            (b"HTTP/1.1 200", Sign::Status(200)),
            (b"HTTP/1.1 503 no\r\n\r\n", Sign::Status(503)),
            (b"HTTP/1.1 2000 no\r\n\r\n", Sign::NoHttp),
            (b"HTTP/1.1 20", Sign::NoHttp),
            (b"HTTP/1.1  200\r\n", Sign::NoHttp),
            (b"SSH-2.0 200\r\n", Sign::NoHttp),
            (b"\n", Sign::NoHttp),
            (LONG, Sign::NoHttp),
            (b"", Sign::Closed),
        ];
        for (answer, expected) in CASES {
            let sign = answered(answer, Duration::from_secs(5));
            assert_eq!(sign, *expected, "{:?}", answer.escape_ascii().to_string());
        }
    }

    #[test]
    fn a_server_that_drips_or_says_nothing_is_waited_for_until_the_deadline() {
        const LIMIT: Duration = Duration::from_millis(200);
        for drips in [false, true] {
            let (mut server, client) = UnixStream::pair().unwrap();
            let mut connection = Connection::Unix(client);
            let dripping = spawn(move || {
                // Each byte comes within the limit; all of them together do not.
                while drips && server.write_all(b"H").is_ok() {
                    sleep(Duration::from_millis(20));
                }
                server
            });
            let begun = Instant::now();
            assert!(matches!(connection.sign(Deadline::after(LIMIT)), Sign::Late(_)));
            let took = begun.elapsed();
            assert!(took >= LIMIT && took < LIMIT * 10, "{took:?}");
            drop(connection);
            dripping.join().unwrap();
        }
    }
}
