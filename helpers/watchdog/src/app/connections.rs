//! The connections that an app has accepted, when it is killed. If a server dies with a request unread, the kernel
//! resets the connection (RFC 1122, 4.2.2.13), and the client cannot tell that from a network failure. So the
//! connections are copied from the app before it dies (pidfd_getfd(2)), read empty, and shut down: clients get
//! end-of-file instead of a reset.

use nix::sys::socket::{
    MsgFlags, Shutdown, SockType, SockaddrStorage, getpeername, getsockname, getsockopt, recv, shutdown,
    sockopt,
};
use nix::sys::stat::fstat;
use nix::unistd::{Pid, getpgid};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::time::Duration;
use vassal_sys::clone::pidfd;
use vassal_sys::fds;
use vassal_sys::proc::Proc;
use vassal_sys::tcp::{Traffic, traffic};

/// The most processes of the app that are examined.
const PROCESSES: usize = 64;
/// How many descriptors must remain free: an app may have more connections than the watchdog may have open files.
const SPARE: usize = 32;
/// The most descriptors that are examined in each process.
const DESCRIPTORS: usize = 1024;
/// How many pieces of an unread request are read and thrown away: more than any server lets a client send ahead.
const PIECES: usize = 64;

/// How long the request of a newly accepted connection may still be under way.
pub const ARRIVAL: Duration = Duration::from_millis(20);
/// How long a request counts as unanswered if it and the last answer have the same time.
const DOUBT: Duration = Duration::from_millis(100);

/// The address of a listening socket. An accepted connection has the same port or path.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Port(u16),
    Path(PathBuf),
}

/// Copies of the connections that the process group of `app` has accepted, as far as they can be had quickly.
pub fn accepted(proc: &Proc, app: Pid) -> Vec<OwnedFd> {
    accepted_by(proc, processes(proc, app))
}

/// Whether one of `processes` has accepted a TCP connection whose client waits for an answer, or has just connected. An
/// answered connection may stay open. The kernel's timestamps have a resolution of a few milliseconds; a request and an
/// answer with the same timestamp count as unanswered for [`DOUBT`].
pub fn owe_an_answer(proc: &Proc, processes: impl Iterator<Item = Pid>) -> bool {
    let waits = |traffic: Traffic| match traffic {
        Traffic {
            has_received: false,
            since_received,
            ..
        } => since_received < ARRIVAL,
        Traffic { has_sent: false, .. } => true,
        Traffic {
            since_received,
            since_sent,
            ..
        } => since_received < since_sent || since_received == since_sent && since_received < DOUBT,
    };
    let connections = accepted_by(proc, processes);
    connections.iter().any(|socket| traffic(socket).is_ok_and(waits))
}

fn accepted_by(proc: &Proc, processes: impl Iterator<Item = Pid>) -> Vec<OwnedFd> {
    let (mut listeners, mut connected) = (Vec::new(), Vec::new());
    let _spare = spare(proc);
    for socket in processes.flat_map(|pid| sockets(proc, pid)) {
        let is_stream = getsockopt(&socket, sockopt::SockType) == Ok(SockType::Stream);
        let place = place(&socket).filter(|_| is_stream);
        match place {
            Some(place) if getsockopt(&socket, sockopt::AcceptConn) == Ok(true) => listeners.push(place),
            Some(place) if getpeername::<SockaddrStorage>(socket.as_raw_fd()).is_ok() => {
                connected.push((place, socket));
            }
            Some(_) | None => {}
        }
    }
    // Connections that the app itself has made do not have the address of one of its listening sockets.
    connected.retain(|(place, _)| listeners.contains(place));
    connected.into_iter().map(|(_, socket)| socket).collect()
}

/// Copies of the listening sockets that the process group of `app` has made itself. `kept` are those that it was given,
/// which the next app gets as well.
pub fn listening(proc: &Proc, app: Pid, kept: &[OwnedFd]) -> Vec<OwnedFd> {
    let given: Vec<_> = kept.iter().filter_map(inode).collect();
    let _spare = spare(proc);
    let listens = |socket: &OwnedFd| getsockopt(socket, sockopt::AcceptConn) == Ok(true);
    let all = processes(proc, app).flat_map(|pid| sockets(proc, pid));
    let mut found: Vec<_> = all.filter(listens).collect();
    found.retain(|socket| inode(socket).is_some_and(|inode| !given.contains(&inode)));
    found
}

fn inode(socket: impl AsFd) -> Option<u64> {
    fstat(socket).ok().map(|status| status.st_ino)
}

/// Releases the address of a listening socket, although a process that cannot be ended still has it open.
pub fn give_up(listener: &OwnedFd) {
    match shutdown(listener.as_raw_fd(), Shutdown::Both) {
        Ok(()) | Err(_) => {}
    }
}

/// Ends a connection: reads the rest of the request, and shuts the connection down.
pub fn end(connection: &OwnedFd) {
    let mut piece = [0; 4096];
    for _ in 0..PIECES {
        match recv(connection.as_raw_fd(), &mut piece, MsgFlags::MSG_DONTWAIT) {
            Ok(1..) => {}
            Ok(0) | Err(_) => break,
        }
    }
    match shutdown(connection.as_raw_fd(), Shutdown::Write) {
        // The client has closed the connection already.
        Ok(()) | Err(_) => {}
    }
}

/// `app` and its descendants in the same process group.
pub fn group(proc: &Proc, app: Pid) -> Vec<Pid> {
    proc.descendants(vec![app], PROCESSES, |child| getpgid(Some(child)) == Ok(app))
}

/// The processes of the group that are examined.
fn processes(proc: &Proc, app: Pid) -> impl Iterator<Item = Pid> {
    group(proc, app).into_iter().take(PROCESSES)
}

/// Descriptors that are kept in reserve while sockets are copied, and closed afterwards.
pub fn spare(fd: impl AsFd + Copy) -> Vec<OwnedFd> {
    let copies = (0..SPARE).map_while(|_| fds::copy_above(fd, 0).ok());
    copies.collect()
}

/// Copies of all sockets of a process.
pub fn sockets(proc: &Proc, pid: Pid) -> Vec<OwnedFd> {
    let (Ok(process), Ok(numbers)) = (pidfd(pid), proc.descriptors(pid)) else {
        return Vec::new();
    };
    let is_socket = |number: &RawFd| {
        CString::new(format!("{pid}/fd/{number}")).is_ok_and(|path| fds::is_socket(proc, &path))
    };
    let numbers = numbers.into_iter().take(DESCRIPTORS).filter(is_socket);
    numbers
        .filter_map(|number| fds::copy_of(process.as_fd(), number).ok())
        .collect()
}

fn place(socket: &OwnedFd) -> Option<Place> {
    let address: SockaddrStorage = getsockname(socket.as_raw_fd()).ok()?;
    let port = address
        .as_sockaddr_in()
        .map(|address| address.port())
        .or(address.as_sockaddr_in6().map(|address| address.port()));
    let path = || Some(Place::Path(address.as_unix_addr()?.path()?.to_owned()));
    port.map(Place::Port).or_else(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};

    /// What a client sees that has asked, when its connection is closed with the request unread, after this was done to the
    /// connections of this process.
    fn seen_by_client(done: impl Fn(&[OwnedFd])) -> std::io::Result<usize> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let proc = Proc::mounted().unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut taken = accepted(&proc, Pid::this());
        // Another test may have its own; and children, which have copies of all.
        taken.retain(|socket| place(socket) == Some(Place::Port(port)));
        assert!(!taken.is_empty());
        done(&taken);
        drop((server, taken));
        client.read(&mut [0; 16])
    }

    #[test]
    fn a_client_whose_request_is_not_read_sees_an_end_and_no_reset() {
        assert_eq!(
            seen_by_client(|_| {}).map_err(|error| error.kind()),
            Err(ErrorKind::ConnectionReset)
        );
        let ended = seen_by_client(|taken| taken.iter().for_each(end));
        assert_eq!(ended.map_err(|error| error.kind()), Ok(0));
    }
}
