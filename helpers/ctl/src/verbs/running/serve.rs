//! `vassalctl stats --serve`: tells the statistics to everybody who connects to the socket on standard input, as uWSGI's Emperor does. systemd
//! starts it with the first connection, and hears of no other as long as it runs: a flood of them is work for this process, which has a
//! control group of its own, and not for PID 1. It ends when nobody has come for a while.

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

/// How long it waits for the next connection before it ends.
const IDLE: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};
/// How many are told at the same time; further ones wait at the socket.
const MOST: usize = 16;
/// How long one may take to read what it is told.
const LIMIT: Duration = Duration::from_secs(5);
/// How old what is told may be: what comes faster is told the same.
const FRESH: Duration = Duration::from_millis(200);
/// How long is waited for one that does not read, until it is looked whether its time is over.
const SLOW: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};
/// After a connection that could not be taken.
const PAUSE: Duration = Duration::from_millis(20);

/// The socket, of either kind.
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

    /// Whether somebody waits.
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

/// One that is told.
struct Telling {
    connection: UnixStream,
    text: Arc<str>,
    sent: usize,
    end: Instant,
}

impl Telling {
    /// The connection is of either kind: what is done with it is the same.
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

    /// Sends what it takes now; whether there is something left, and time for it. One that is gone has seen enough.
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

/// Tells what `look` finds until nobody comes any more; with one thread, as what looks at the vassals forks.
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
                // The one who asks sees an end without an answer.
                Err(why) => output::warn(&why),
            }
        }
        let text = last.as_ref().map(|(_, text)| text.clone());
        let telling = text.and_then(|text| Telling::of(connection, text, LIMIT).ok());
        told.extend(telling);
    }
}

/// Waits for the next connection, unless there are enough, and for room in those there are; whether there is something to do.
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
