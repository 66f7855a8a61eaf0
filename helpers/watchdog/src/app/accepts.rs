//! Asking an app whether it serves, in a process that may be lost. A connection to a listening socket that vassal-enter has bound
//! is completed by the kernel, whether or not there is an app, and during a reload there are two that accept from it. So it is
//! looked for among the descriptors of the app's processes: who has accepted it serves.

use crate::app::connections::{group, sockets};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, UnixAddr, bind, connect, getpeername, getsockname,
    socket,
};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};
use vassal_state::handoff::Url;
use vassal_sys::proc::Proc;
use vassal_sys::signals;

/// The app that is asked, and the others that listen on the same sockets.
pub type Whose<'a> = (&'a Proc, Pid, &'a [Pid]);

/// How long one process asks: then the watchdog sends another.
const LIMIT: Duration = Duration::from_secs(20);
/// Between two looks at who has accepted a connection.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// Between two connections, of which the app that serves already gets most.
const PAUSE: Duration = Duration::from_millis(30);
/// How long a server may take to answer a question about its health.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// The longest status line that is read.
const STATUS_LINE: u64 = 256;

/// A connection to an app.
enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Whether a connection to `address` is accepted: by whom, if it matters.
///
/// # Errors
/// As connect(2); `ETIMEDOUT` when nobody has accepted in time.
pub fn accepts(address: &str, whose: Option<Whose<'_>>) -> Result<(), Errno> {
    signals::reset().map_err(|error| error.errno)?;
    until_limit(|end| {
        let connection = Connection::to(address)?;
        let is_accepted = whose.is_none_or(|whose| connection.is_accepted_by(whose, end));
        is_accepted.then_some(()).ok_or(Errno::EAGAIN)
    })
}

/// Whether a GET of `url` is answered with status 200: by whom, if it matters.
///
/// # Errors
/// As connect(2); `EAGAIN` for another answer; `ETIMEDOUT` for none.
pub fn serves(url: &Url, whose: Option<Whose<'_>>) -> Result<(), Errno> {
    signals::reset().map_err(|error| error.errno)?;
    until_limit(|end| {
        let mut connection = Connection::to(&url.address)?;
        // Before it is asked: with its answer it may close the connection.
        if !whose.is_none_or(|whose| connection.is_accepted_by(whose, end)) {
            return Err(Errno::EAGAIN);
        }
        connection.ask(url)?;
        connection.answers_well().then_some(()).ok_or(Errno::EAGAIN)
    })
}

/// Tries again, as long as the answer is that of another app, or none.
fn until_limit(mut attempt: impl FnMut(Instant) -> Result<(), Errno>) -> Result<(), Errno> {
    let end = Instant::now() + LIMIT;
    loop {
        match attempt(end) {
            Err(Errno::EAGAIN) if Instant::now() < end => std::thread::sleep(PAUSE),
            result => return result,
        }
    }
}

impl Connection {
    fn to(address: &str) -> Result<Self, Errno> {
        match address.parse::<SocketAddr>() {
            Ok(address) => TcpStream::connect(address).map(Connection::Tcp).map_err(errno),
            Err(_) => named(address).map(Connection::Unix),
        }
    }

    /// Whether the app has accepted it, and none of the others: one that nobody has accepted yet waits.
    fn is_accepted_by(&self, (proc, app, others): Whose<'_>, end: Instant) -> bool {
        while Instant::now() < end {
            if self.is_in(proc, app) {
                return true;
            }
            if others.iter().any(|other| self.is_in(proc, *other)) {
                return false;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        false
    }

    /// Whether one of the processes of the group of `app` has the other end.
    fn is_in(&self, proc: &Proc, app: Pid) -> bool {
        let Some(own) = self.name() else {
            return false;
        };
        let is_other_end = |socket: &OwnedFd| {
            getpeername(socket.as_raw_fd()).is_ok_and(|peer| Name::of(&peer) == Some(own.clone()))
        };
        group(proc, app)
            .into_iter()
            .any(|pid| sockets(proc, pid).iter().any(is_other_end))
    }

    fn name(&self) -> Option<Name> {
        let fd = match self {
            Connection::Tcp(stream) => stream.as_raw_fd(),
            Connection::Unix(stream) => stream.as_raw_fd(),
        };
        Name::of(&getsockname(fd).ok()?)
    }

    fn ask(&mut self, url: &Url) -> Result<(), Errno> {
        let host = match url.address.starts_with('/') {
            true => "localhost",
            false => &url.address,
        };
        let text = format!(
            "GET {} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: vassal\r\nAccept: */*\r\nConnection: close\r\n\r\n",
            url.path
        );
        let limit = Some(ANSWER_LIMIT);
        match self {
            Connection::Tcp(stream) => {
                stream.set_read_timeout(limit).map_err(errno)?;
                stream.write_all(text.as_bytes()).map_err(errno)
            }
            Connection::Unix(stream) => {
                stream.set_read_timeout(limit).map_err(errno)?;
                stream.write_all(text.as_bytes()).map_err(errno)
            }
        }
    }

    /// Whether the answer's status is 200.
    fn answers_well(self) -> bool {
        let stream: Box<dyn Read> = match self {
            Connection::Tcp(stream) => Box::new(stream),
            Connection::Unix(stream) => Box::new(stream),
        };
        let mut line = Vec::new();
        if BufReader::new(stream.take(STATUS_LINE))
            .read_until(b'\n', &mut line)
            .is_err()
        {
            return false;
        }
        let mut words = line.split(|byte| *byte == b' ');
        words
            .next()
            .is_some_and(|version| version.starts_with(b"HTTP/1."))
            && words.next().map(<[u8]>::trim_ascii) == Some(b"200")
    }
}

/// What tells one connection from all others, as both ends see it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Port(u16),
    Abstract(Vec<u8>),
}

impl Name {
    fn of(address: &SockaddrStorage) -> Option<Self> {
        let port = address
            .as_sockaddr_in()
            .map(|address| address.port())
            .or(address.as_sockaddr_in6().map(|address| address.port()));
        let name = || Some(Name::Abstract(address.as_unix_addr()?.as_abstract()?.to_vec()));
        port.map(Name::Port).or_else(name)
    }
}

/// A connection to a unix socket from one that has a name, which the kernel chooses (unix(7), autobind).
fn named(path: &str) -> Result<UnixStream, Errno> {
    let socket = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    bind(socket.as_raw_fd(), &UnixAddr::new_unnamed())?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(socket.into())
}

fn errno(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_connection_is_known_by_who_has_accepted_it() {
        let proc = Proc::from(OwnedFd::from(File::open("/proc").unwrap()));
        let path = std::env::temp_dir().join(format!("vassal-asking-{}", std::process::id()));
        let (tcp, unix) = (
            TcpListener::bind("127.0.0.1:0").unwrap(),
            UnixListener::bind(&path).unwrap(),
        );
        let addresses = [
            tcp.local_addr().unwrap().to_string(),
            path.to_str().unwrap().to_owned(),
        ];
        for address in addresses {
            let connection = Connection::to(&address).unwrap();
            assert!(!connection.is_in(&proc, Pid::this()), "{address}");
            let _accepted: OwnedFd = match address.starts_with('/') {
                true => unix.accept().unwrap().0.into(),
                false => tcp.accept().unwrap().0.into(),
            };
            assert!(connection.is_in(&proc, Pid::this()), "{address}");
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn only_status_200_answers_well() {
        const CASES: &[(&[u8], bool)] = &[
            (b"HTTP/1.1 200 OK\r\n\r\n", true),
            (b"HTTP/1.0 200\r\n\r\n", true),
            (b"HTTP/1.1 503 no\r\n\r\n", false),
            (b"HTTP/1.1 2000 no\r\n\r\n", false),
            (b"SSH-2.0 200\r\n", false),
            (b"", false),
        ];
        for (answer, expected) in CASES {
            let (mut server, client) = UnixStream::pair().unwrap();
            server.write_all(answer).unwrap();
            drop(server);
            assert_eq!(Connection::Unix(client).answers_well(), *expected, "{answer:?}");
        }
    }
}
