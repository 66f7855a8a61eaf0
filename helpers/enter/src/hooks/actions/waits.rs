//! Waits, with a limit, for things that appear without an event: a path, a mount, an interface, a listening socket, a
//! reader of a FIFO.

use crate::failure::{Failure, HookFailure};
use crate::files::safe_open;
use crate::files::safe_open::Kind;
use crate::hooks::session::Session;
use crate::mountpoints;
use crate::stop::Stop;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::net::if_::if_nametoindex;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::sys::stat::Mode;
use nix::unistd::geteuid;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;
use vassal_config::hooks::action::Awaited;
use vassal_escape::printable;
use vassal_sys::SysError;
use vassal_sys::deadline::Deadline;
use vassal_sys::error::Context;
use vassal_sys::mounts;
use vassal_sys::proc::Proc;
use vassal_sys::reach::within;

/// The time between two checks.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long one attempt to connect may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// Waits for `what`, up to the limit of its line or else that of any hook. A request to stop the vassal ends this
/// process.
///
/// # Errors
/// It has not appeared in time; a symbolic link on the way that is not root's (whether its target exists must not
/// become known to its owner).
pub fn appear(
    awaited: Awaited,
    what: &[u8],
    own_limit: Option<Duration>,
    session: &Session<'_>,
) -> Result<(), Failure> {
    let path = Path::new(OsStr::from_bytes(what));
    let kind = match awaited {
        Awaited::Path => "path",
        Awaited::Mountpoint => "mountpoint",
        Awaited::Interface => "network interface",
        Awaited::Socket => "socket",
    };
    let look = || match awaited {
        Awaited::Path => object(path).map(|_| true),
        Awaited::Mountpoint => is_mounted(path, session.proc),
        Awaited::Interface => Ok(if_nametoindex(what).is_ok()),
        Awaited::Socket => accepts(what, session.proc),
    };
    let is_there = || match look() {
        // A link that is not followed will not turn into what is waited for, so there is no point in waiting.
        Err(error) if error.errno == Errno::ELOOP => Err(error),
        found => Ok(found.unwrap_or(false)),
    };
    let (limit, setting) = match own_limit {
        Some(limit) => (limit, ""),
        None => (session.limit, " (hook-timeout)"),
    };
    let deadline = Deadline::after(limit);
    while !is_there()? {
        if deadline.is_over() {
            return Err(HookFailure::NotAppeared {
                kind,
                what: what.to_vec(),
                limit,
                setting,
            }
            .into());
        }
        pause(LOOK_AGAIN, session.stop)?;
    }
    Ok(())
}

/// The action `sleep`.
///
/// # Errors
/// When the kernel cannot.
pub fn sleep(time: Duration, stop: Option<&Stop<'_>>) -> Result<(), Failure> {
    Ok(pause(time, stop)?)
}

/// Sleeps for `time`. If the vassal is to `stop` meanwhile, this process ends.
fn pause(time: Duration, stop: Option<&Stop<'_>>) -> Result<(), SysError> {
    let deadline = Deadline::after(time);
    while !deadline.is_over() {
        let wish = stop.map(|stop| PollFd::new(stop.wish(), PollFlags::POLLIN));
        let is_ready = deadline.poll(&mut Vec::from_iter(wish), time);
        if let (true, Some(stop)) = (is_ready.context(|| "wait")?, stop) {
            stop.obey();
        }
    }
    Ok(())
}

/// Writes `text` into a FIFO as soon as that exists and has a reader. If the vassal is to `stop` meanwhile, this
/// process ends.
///
/// # Errors
/// No reader within the limit; any error of the kernel.
pub fn write_fifo(path: &[u8], text: &[u8], session: &Session<'_>) -> Result<(), Failure> {
    let limit = session.limit;
    let deadline = Deadline::after(limit);
    loop {
        match safe_open::open_for_writing(path, OFlag::O_WRONLY, 0, Kind::Fifo, session.proc) {
            Ok(fifo) => {
                let written = File::from(fifo).write_all(text);
                return written
                    .context(|| format!("write '{}'", printable(path)))
                    .map_err(Failure::from);
            }
            Err(error) if !matches!(error.errno, Errno::ENOENT | Errno::ENXIO) => return Err(error.into()),
            Err(_) if deadline.is_over() => {
                return Err(HookFailure::NotRead {
                    path: path.to_vec(),
                    limit,
                }
                .into());
            }
            Err(_) => pause(LOOK_AGAIN, session.stop)?,
        }
    }
}

/// Opens what is at `path`, without a request to a filesystem that is mounted there. As root it follows no tenant's
/// link.
fn object(path: &Path) -> Result<OwnedFd, SysError> {
    let step = || format!("look at '{}'", printable(path.as_os_str().as_bytes()));
    if geteuid().is_root() {
        return safe_open::object(path, step);
    }
    open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).context(step)
}

fn is_mounted(path: &Path, proc: &Proc) -> Result<bool, SysError> {
    let place = mounts::spot(proc.as_fd(), &object(path)?)?;
    Ok(mountpoints::mount_at(&place, proc)?.is_some())
}

/// Tries to connect to `HOST:PORT` (with a numeric host), `:PORT`, or the path of a unix socket.
fn accepts(address: &[u8], proc: &Proc) -> Result<bool, SysError> {
    let text = String::from_utf8_lossy(address);
    let full = match text.strip_prefix(':') {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.clone().into_owned(),
    };
    match full.parse::<SocketAddr>() {
        Ok(address) => Ok(TcpStream::connect_timeout(&address, CONNECT_LIMIT).is_ok()),
        Err(_) => accepts_at_once(address, proc).map(|()| true),
    }
}

/// Whether the unix socket at `path` takes a connection without waiting; connect(2) would block while its queue is
/// full. As root it follows no tenant's link.
fn accepts_at_once(path: &[u8], proc: &Proc) -> Result<(), SysError> {
    let step = || format!("connect to '{}'", printable(path));
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None).context(step)?;
    if !geteuid().is_root() {
        return UnixAddr::new(path)
            .and_then(|address| connect(socket.as_raw_fd(), &address))
            .context(step);
    }
    let file = safe_open::object(Path::new(OsStr::from_bytes(path)), step)?;
    let address = UnixAddr::new(format!("self/fd/{}", file.as_raw_fd()).as_str()).context(step)?;
    within(proc, || connect(socket.as_raw_fd(), &address)).context(step)
}
