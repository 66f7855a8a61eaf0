//! The listening sockets. They are bound once, before the app's user is known, and kept in systemd's FD store, so that
//! they stay open over every restart and clients wait instead of being refused (ARCHITECTURE D6). A stop closes them.

use crate::failure::{Failure, Place, ServiceFailure};
use crate::invocation::Invocation;
use crate::sockets::open::{File, Open};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, listen, socket};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use vassal_config::vassal::address::Address;
use vassal_config::vassal::socket::{Listener, ON_DEMAND};
use vassal_escape::digest::fnv_64;
use vassal_sys::error::Context;

/// Opens a socket for each of `listeners`: takes it from `stored`, the content of the FD store; or binds it; or, for a
/// unix socket, creates it to be bound later ([`super::unix`]). Sockets that are no longer named are removed from the
/// store.
///
/// # Errors
/// An address that cannot be bound, with its line.
pub fn open(
    listeners: &[Listener],
    mut stored: Vec<(String, OwnedFd)>,
    invocation: &Invocation,
) -> Result<Vec<Open>, Failure> {
    let mut sockets = Vec::new();
    for listener in listeners {
        let systemds = stored
            .iter()
            .position(|(name, _)| listener.is_on_demand && name == ON_DEMAND);
        sockets.push(match (systemds, &listener.address) {
            (Some(at), _) => Open {
                is_systemds: true,
                ..Open::new(stored.swap_remove(at).1)
            },
            (None, Address::Tcp(address)) => open_tcp(*address, listener, &mut stored, invocation)?,
            (None, Address::Unix(path)) => open_unix(path, &mut stored)?,
        });
    }
    stored.retain(|(name, _)| name != ON_DEMAND);
    for (name, _) in stored {
        invocation.notifier.forget(&name)?;
    }
    Ok(sockets)
}

fn open_tcp(
    address: SocketAddr,
    listener: &Listener,
    stored: &mut Vec<(String, OwnedFd)>,
    invocation: &Invocation,
) -> Result<Open, Failure> {
    // A name in the FD store must not contain a colon (sd_notify(3)).
    let name = format!("listen-{address}").replace(':', "_");
    let kept = stored.iter().position(|(stored, _)| *stored == name);
    let kept = kept.map(|at| stored.swap_remove(at).1);
    let fd = match kept.and_then(|fd| still_ours(fd, address)) {
        Some(fd) => fd,
        None => {
            let fd: OwnedFd = bind(address, listener)?.into();
            invocation.notifier.store(&name, fd.as_fd())?;
            fd
        }
    };
    Ok(Open::new(fd))
}

fn open_unix(path: &[u8], stored: &mut Vec<(String, OwnedFd)>) -> Result<Open, Failure> {
    let new = || {
        socket(
            AddressFamily::Unix,
            SockType::Stream,
            SockFlag::SOCK_CLOEXEC,
            None,
        )
        .context(|| "make a socket")
    };
    let prefix = unix_prefix(path);
    let kept = stored.iter().enumerate().find_map(|(at, (name, _))| {
        let (device, inode) = name.strip_prefix(&prefix)?.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        Some((at, (number(device)?, number(inode)?)))
    });
    Ok(match kept {
        Some((at, file)) => Open {
            spare: Some(new()?),
            kept: Some(file),
            ..Open::new(stored.swap_remove(at).1)
        },
        None => Open::new(new()?),
    })
}

/// The beginning of a unix socket's name in the FD store, a digest of its path. The file's device and inode follow.
fn unix_prefix(path: &[u8]) -> String {
    format!("unix-{:016x}-", fnv_64(path))
}

/// Records that a unix socket has been bound to `file`: it takes over the descriptor number of the kept socket, and
/// replaces that in the FD store.
///
/// # Errors
/// When systemd cannot be notified.
pub fn renew(open: &mut Open, path: &[u8], file: File, invocation: &Invocation) -> Result<(), Failure> {
    let name = |(device, inode): File| format!("{}{device:x}-{inode:x}", unix_prefix(path));
    if let Some(spare) = open.spare.take() {
        open.take_number_for(&spare)?;
    }
    if let Some(old) = open.kept.replace(file) {
        invocation.notifier.forget(&name(old))?;
    }
    invocation.notifier.store(&name(file), open.fd.as_fd())?;
    Ok(())
}

fn still_ours(fd: OwnedFd, address: SocketAddr) -> Option<OwnedFd> {
    let socket = TcpListener::from(fd);
    (socket.local_addr().ok()? == address).then(|| socket.into())
}

fn bind(address: SocketAddr, listener: &Listener) -> Result<TcpListener, Failure> {
    let place = Place::line(&listener.origin, "socket");
    let socket = TcpListener::bind(address).map_err(|error| {
        let why = match error.kind() {
            ErrorKind::AddrInUse => "another program listens there (ss -ltnp shows which)",
            ErrorKind::AddrNotAvailable => "this machine has no such address",
            _ => "the kernel refused",
        };
        Failure::from(ServiceFailure::NotBound { address, why }).at(&place)
    })?;
    let backlog = Backlog::new(listener.backlog).unwrap_or(Backlog::MAXCONN);
    listen(&socket, backlog).context(|| format!("listen on {address}"))?;
    Ok(socket)
}
