//! `vassalctl stats --serve`: sends the statistics to everybody who connects to the socket on standard input, as
//! uWSGI's Emperor does. systemd starts it for the first connection and ignores further ones while it runs; so a flood
//! of connections burdens this process, which has its own cgroup, and not PID 1. It ends when there was no connection
//! for a while.

use crate::render::output;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, ErrorKind, Write, stdin};
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long it waits for the next connection.
const IDLE: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};
/// The most connections that are served at a time; further ones wait in the socket's queue.
const MOST: usize = 16;
/// How long a client may take to read the statistics.
const LIMIT: Duration = Duration::from_secs(5);
/// How old the statistics may be; connections that come faster get the same text.
const FRESH: Duration = Duration::from_millis(200);
/// How long a wait for slow clients lasts, before it is checked whether their time is over.
const SLOW: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};
/// The pause after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(20);

/// The listening socket, of either kind.
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    fn of(socket: OwnedFd) -> Self {
        match UnixListener::from(socket) {
            unix if unix.local_addr().is_ok() => Listener::Unix(unix),
            other => Listener::Tcp(OwnedFd::from(other).into()),
        }
    }

    fn accept(&self) -> io::Result<OwnedFd> {
        match self {
            Listener::Tcp(socket) => socket.accept().map(|(connection, _)| connection.into()),
            Listener::Unix(socket) => socket.accept().map(|(connection, _)| connection.into()),
        }
    }

    /// Whether a connection is waiting.
    fn is_asked(&self) -> bool {
        let now = Timespec::default();
        poll(
            &mut [PollFd::from_borrowed_fd(self.as_fd(), PollFlags::IN)],
            Some(&now),
        )
        .is_ok_and(|count| count > 0)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Tcp(socket) => socket.as_fd(),
            Listener::Unix(socket) => socket.as_fd(),
        }
    }
}

/// A client that is being served.
struct Telling {
    connection: UnixStream,
    text: Arc<str>,
    sent: usize,
    end: Instant,
}

impl Telling {
    /// The connection may be of either kind; it is handled in the same way.
    fn of(connection: OwnedFd, text: Arc<str>, limit: Duration) -> io::Result<Self> {
        let connection = UnixStream::from(connection);
        connection.set_nonblocking(true)?;
        Ok(Self {
            connection,
            text,
            sent: 0,
            end: Instant::now() + limit,
        })
    }

    /// Sends as much as the client takes now. Returns whether there is more to send and time left for it. A client that
    /// has gone is done.
    fn goes_on(&mut self) -> bool {
        let rest = &self.text.as_bytes()[self.sent..];
        match self.connection.write(rest) {
            Ok(sent) => self.sent += sent,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => return false,
        }
        self.sent < self.text.len() && Instant::now() < self.end
    }
}

/// Serves until no connection comes for a while. `look` returns the statistics. It forks, so all is done in one thread.
pub fn run(look: impl Fn() -> Result<String, String>) -> ExitCode {
    let socket = match stdin().as_fd().try_clone_to_owned() {
        Ok(socket) => Listener::of(socket),
        Err(error) => {
            return output::fail_with(&format!("no socket on standard input: {error}"), output::FAILED);
        }
    };
    let mut told: Vec<Telling> = Vec::new();
    let mut last: Option<(Instant, Arc<str>)> = None;
    loop {
        if !wait(&socket, &told) {
            return ExitCode::from(output::GOOD);
        }
        told.retain_mut(Telling::goes_on);
        if told.len() >= MOST || !socket.is_asked() {
            continue;
        }
        let Ok(connection) = socket.accept() else {
            sleep(PAUSE);
            continue;
        };
        last = last.filter(|(since, _)| since.elapsed() < FRESH);
        if last.is_none() {
            match look() {
                Ok(text) => last = Some((Instant::now(), text.into())),
                // The client sees end-of-file without an answer.
                Err(why) => output::warn(&why),
            }
        }
        let text = last.as_ref().map(|(_, text)| text.clone());
        let telling = text.and_then(|text| Telling::of(connection, text, LIMIT).ok());
        told.extend(telling);
    }
}

/// Waits for the next connection, unless there are [`MOST`] already, and until a client can take more. Returns whether
/// there is something to do.
fn wait(socket: &Listener, told: &[Telling]) -> bool {
    let mut fds: Vec<PollFd<'_>> = told
        .iter()
        .map(|one| PollFd::new(&one.connection, PollFlags::OUT))
        .collect();
    if told.len() < MOST {
        fds.push(PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN));
    }
    let limit = if told.is_empty() { IDLE } else { SLOW };
    match poll(&mut fds, Some(&limit)) {
        Ok(0) => !told.is_empty(),
        Ok(_) => true,
        Err(_) => {
            sleep(PAUSE);
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpStream;

    #[test]
    fn both_kinds_of_sockets_are_listened_to() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        let listener = Listener::of(tcp.into());
        assert!(!listener.is_asked());
        let mut client = TcpStream::connect(address).unwrap();
        assert!(wait(&listener, &[]) && listener.is_asked());
        let mut telling = Telling::of(listener.accept().unwrap(), "told".into(), LIMIT).unwrap();
        assert!(!telling.goes_on());
        drop(telling);
        let mut heard = String::new();
        client.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "told");
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("socket");
        let listener = Listener::of(UnixListener::bind(&path).unwrap().into());
        let _client = UnixStream::connect(&path).unwrap();
        assert!(listener.is_asked() && listener.accept().is_ok());
    }

    #[test]
    fn one_that_does_not_read_is_given_up_and_one_that_has_gone_at_once() {
        let text: Arc<str> = "x".repeat(4 << 20).into();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut telling = Telling::of(ours.into(), text.clone(), Duration::from_millis(100)).unwrap();
        assert!(telling.goes_on());
        sleep(Duration::from_millis(110));
        assert!(!telling.goes_on());
        drop(theirs);
        let mut telling = Telling::of(telling.connection.into(), text, LIMIT).unwrap();
        assert!(!telling.goes_on());
    }
}
