//! Waiting, up to a limit, for something that nothing tells of when it appears: a path, a mount, an interface, a
//! listening socket, the reader of a FIFO.

use crate::failure::Failure;
use crate::files;
use crate::watch;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::net::if_::if_nametoindex;
use nix::poll::{PollTimeout, poll};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};
use vassal_config::action::Awaited;
use vassal_sys::SysError;
use vassal_sys::error::Step;
use vassal_sys::mounts;
use vassal_sys::text::printable;

/// The time between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long one attempt to connect may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// How long to wait.
#[derive(Debug, Clone, Copy)]
pub enum Limit {
    /// As long as a line of its own says.
    Own(Duration),
    /// As long as any hook may take.
    OfHooks(Duration),
}

/// Waits for `what` at most `limit`.
///
/// # Errors
/// It did not appear.
pub fn appear(awaited: Awaited, what: &[u8], limit: Limit, proc: &OwnedFd) -> Result<(), Failure> {
    let path = Path::new(OsStr::from_bytes(what));
    let name = match awaited {
        Awaited::Path => "path",
        Awaited::Mountpoint => "mountpoint",
        Awaited::Interface => "network interface",
        Awaited::Socket => "socket",
    };
    let is_there = || match awaited {
        Awaited::Path => path.exists(),
        Awaited::Mountpoint => is_mounted(path, proc),
        Awaited::Interface => if_nametoindex(what).is_ok(),
        Awaited::Socket => accepts(what),
    };
    let (limit, setting) = match limit {
        Limit::Own(limit) => (limit, ""),
        Limit::OfHooks(limit) => (limit, " (hook-timeout)"),
    };
    let end = Instant::now() + limit;
    while !is_there() {
        if Instant::now() >= end {
            let shown = printable(what);
            let limit = limit.as_secs_f32();
            return Err(Failure::passing(format!(
                "{name} '{shown}' did not appear within {limit} s{setting}"
            )));
        }
        pause(LOOK_AGAIN)?;
    }
    Ok(())
}

/// Lets `time` pass.
///
/// # Errors
/// When the kernel cannot.
pub fn pause(time: Duration) -> Result<(), SysError> {
    let end = Instant::now() + time;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        match poll(&mut [], timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(SysError::new("wait", errno)),
        }
    }
}

/// Writes `text` into a FIFO as soon as it is there and somebody reads it.
///
/// # Errors
/// Nobody did within `limit`; what the kernel refused.
pub fn write_fifo(path: &[u8], text: &[u8], limit: Duration) -> Result<(), Failure> {
    let end = Instant::now() + limit;
    loop {
        match files::open_for_writing(path, OFlag::O_WRONLY | OFlag::O_NONBLOCK, 0) {
            Ok(fifo) => {
                let written = File::from(fifo).write_all(text);
                return written
                    .step(|| format!("write '{}'", printable(path)))
                    .map_err(Failure::from);
            }
            Err(error) if !matches!(error.errno, Errno::ENOENT | Errno::ENXIO) => return Err(error.into()),
            Err(_) if Instant::now() >= end => {
                let (shown, limit) = (printable(path), limit.as_secs_f32());
                return Err(Failure::passing(format!(
                    "nobody read '{shown}' within {limit} s"
                )));
            }
            Err(_) => pause(LOOK_AGAIN)?,
        }
    }
}

/// Without a request to the filesystem that may be mounted there.
fn is_mounted(path: &Path, proc: &OwnedFd) -> bool {
    let place = mounts::place(proc.as_fd(), path);
    let found = place.and_then(|place| Ok((place, watch::all_mounts(proc)?)));
    found.is_ok_and(|(place, mounts)| {
        let mut mounts = mounts.iter();
        mounts.any(|mount| mount.id == place.mount && mount.mountpoint == place.path)
    })
}

/// `HOST:PORT` with a numeric host, `:PORT`, or the path of a unix socket.
fn accepts(address: &[u8]) -> bool {
    let text = String::from_utf8_lossy(address);
    let full = match text.strip_prefix(':') {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.clone().into_owned(),
    };
    match full.parse::<SocketAddr>() {
        Ok(address) => TcpStream::connect_timeout(&address, CONNECT_LIMIT).is_ok(),
        Err(_) => UnixStream::connect(Path::new(OsStr::from_bytes(address))).is_ok(),
    }
}
