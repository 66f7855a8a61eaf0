//! Finds out whether an app serves, in a process that can be abandoned. If vassal-enter has bound the socket, the
//! kernel completes a connection even without an app, and during a reload two apps accept from it. So the connection is
//! looked for among the descriptors of the app's processes: the app that has accepted it serves.

use crate::app::connections::{group, sockets};
use crate::liveness::http::Connection;
use crate::liveness::way::Way;
use nix::errno::Errno;
use nix::sys::socket::{SockaddrStorage, getpeername, getsockname};
use nix::unistd::Pid;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;
use vassal_state::app::Url;
use vassal_sys::deadline::Deadline;
use vassal_sys::proc::Proc;
use vassal_sys::signals;

/// The proc, the app that is asked, and the other apps that listen on the same sockets.
pub type Whose<'a> = (&'a Proc, Pid, &'a [Pid]);

/// How long one process tries; then the watchdog sends another one.
const LIMIT: Duration = Duration::from_secs(20);
/// The time between two checks which app has accepted a connection.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// The time between two connections, most of which go to the app that already serves.
const PAUSE: Duration = Duration::from_millis(30);
/// How long a server may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// How long the rest of the answer is read.
const REST: Duration = Duration::from_millis(100);

/// Tries until a connection to `address`, reached by `way`, is accepted; if `whose` is given, by that app.
///
/// # Errors
/// As connect(2); `ETIMEDOUT` when it is not accepted in time.
pub fn accepts(address: &str, way: Way<'_>, whose: Option<Whose<'_>>) -> Result<(), Errno> {
    signals::reset().map_err(|error| error.errno)?;
    until_limit(|end| {
        let connection = Connection::to(address, way, end)?;
        let is_accepted = whose.is_none_or(|whose| is_accepted_by(&connection, whose, end));
        is_accepted.then_some(()).ok_or(Errno::EAGAIN)
    })
}

/// Tries until a GET of `url` is answered with status 200; if `whose` is given, by that app.
///
/// # Errors
/// As connect(2); `EAGAIN` for another answer; `ETIMEDOUT` for none.
pub fn serves(url: &Url, way: Way<'_>, whose: Option<Whose<'_>>) -> Result<(), Errno> {
    signals::reset().map_err(|error| error.errno)?;
    until_limit(|end| {
        let mut connection = Connection::to(&url.address, way, end)?;
        // Checked before the request is sent, because the server may close the connection with its answer.
        if !whose.is_none_or(|whose| is_accepted_by(&connection, whose, end)) {
            return Err(Errno::EAGAIN);
        }
        let limit = Deadline::after(end.left().min(ANSWER_LIMIT));
        connection.ask(url, limit)?;
        let is_good = connection.sign(limit).is_good();
        connection.finish(Deadline::after(REST));
        is_good.then_some(()).ok_or(Errno::EAGAIN)
    })
}

/// Repeats `attempt` until it succeeds or [`LIMIT`] is over.
fn until_limit(mut attempt: impl FnMut(Deadline) -> Result<(), Errno>) -> Result<(), Errno> {
    let end = Deadline::after(LIMIT);
    loop {
        match attempt(end) {
            Err(Errno::EAGAIN) if !end.is_over() => std::thread::sleep(PAUSE),
            result => return result,
        }
    }
}

/// Waits until the connection has been accepted. Returns whether the app has accepted it and not one of the others.
fn is_accepted_by(connection: &Connection, (proc, app, others): Whose<'_>, end: Deadline) -> bool {
    while !end.is_over() {
        if is_in(connection, proc, app) {
            return true;
        }
        if others.iter().any(|other| is_in(connection, proc, *other)) {
            return false;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    false
}

/// Whether a process in the process group of `app` has the other end.
fn is_in(connection: &Connection, proc: &Proc, app: Pid) -> bool {
    let own = getsockname(connection.fd().as_raw_fd());
    let Some(own) = own.ok().and_then(|address| Name::of(&address)) else {
        return false;
    };
    let is_other_end = |socket: &OwnedFd| {
        getpeername(socket.as_raw_fd()).is_ok_and(|peer| Name::of(&peer) == Some(own.clone()))
    };
    group(proc, app)
        .into_iter()
        .any(|pid| sockets(proc, pid).iter().any(is_other_end))
}

/// What identifies a connection at both ends.
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
            let way = Way {
                proc: &proc,
                app: Pid::this(),
            };
            let connection = Connection::to(&address, way, Deadline::after(LIMIT)).unwrap();
            assert!(!is_in(&connection, &proc, Pid::this()), "{address}");
            let _accepted: OwnedFd = match address.starts_with('/') {
                true => unix.accept().unwrap().0.into(),
                false => tcp.accept().unwrap().0.into(),
            };
            assert!(is_in(&connection, &proc, Pid::this()), "{address}");
        }
        std::fs::remove_file(path).unwrap();
    }
}
