//! The listening sockets: bound once, before the app's user is known, and kept in systemd's FD store, so that they
//! are open during every restart and clients wait instead of being refused (ARCHITECTURE D6). A stop closes them.

use crate::failure::Failure;
use crate::start::Start;
use nix::sys::socket::{Backlog, listen};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use vassal_config::socket::Listener;
use vassal_sys::error::Step;
use vassal_sys::exit;

/// An open socket and the entry of the configuration that it is for.
#[derive(Debug)]
pub struct Open {
    /// The index of the entry.
    pub entry: usize,
    /// The socket.
    pub fd: OwnedFd,
}

/// Takes each of `listeners` out of the FD store or binds it, and removes from the store what is no longer named.
///
/// # Errors
/// An address that cannot be bound, with the line that names it.
pub fn open(listeners: &[Listener], start: &mut Start) -> Result<Vec<Open>, Failure> {
    let mut stored = std::mem::take(&mut start.stored);
    let mut sockets = Vec::new();
    for listener in listeners {
        let name = store_name(listener);
        let kept = stored
            .iter()
            .position(|(stored, _)| *stored == name)
            .map(|at| stored.swap_remove(at).1);
        let fd = match kept.and_then(|fd| still_ours(fd, listener)) {
            Some(fd) => fd,
            None => {
                let fd: OwnedFd = bind(listener)?.into();
                start.notifier.store(&name, fd.as_fd())?;
                fd
            }
        };
        sockets.push(Open {
            entry: listener.entry,
            fd,
        });
    }
    for (name, _) in stored {
        start.notifier.forget(&name)?;
    }
    Ok(sockets)
}

/// The name in the FD store: no colon is allowed in it (sd_notify(3)).
fn store_name(listener: &Listener) -> String {
    format!("listen-{}", listener.address).replace(':', "_")
}

fn still_ours(fd: OwnedFd, listener: &Listener) -> Option<OwnedFd> {
    let socket = TcpListener::from(fd);
    (socket.local_addr().ok()? == listener.address).then(|| socket.into())
}

fn bind(listener: &Listener) -> Result<TcpListener, Failure> {
    let place = listener.origin.to_string();
    let socket = TcpListener::bind(listener.address).map_err(|error| {
        let why = match error.kind() {
            ErrorKind::AddrInUse => "another program listens there (ss -ltnp shows which)",
            ErrorKind::AddrNotAvailable => "this machine has no such address",
            _ => "the kernel refused",
        };
        let message = format!("cannot listen on {}: {why}", listener.address);
        Failure {
            code: exit::OS,
            message,
        }
        .at(&place)
    })?;
    let backlog = Backlog::new(listener.backlog).unwrap_or(Backlog::MAXCONN);
    listen(&socket, backlog).step(|| format!("listen on {}", listener.address))?;
    Ok(socket)
}
