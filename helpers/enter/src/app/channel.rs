//! The connections between the app and the watchdog: for uWSGI the two sockets of an Emperor (D4, EMP-17), for another
//! program a notification socket if its file asks for one.

use crate::environment::Environment;
use crate::failure::Failure;
use crate::handed_over::keys::Keys;
use crate::sockets::open::Open;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, bind, setsockopt, socket, socketpair, sockopt,
};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use vassal_config::language::evaluation::entry::Entry;
use vassal_config::vassal::key_files;
use vassal_config::vassal::payload::Payload;
use vassal_config::vassal::plan::Plan;
use vassal_config::vassal::push;
use vassal_config::vassal::reload::overlap::is_kept;
use vassal_config::vassal::settings::Ready;
use vassal_config::vassal::settings::liveness::Watchdog;
use vassal_config::vassal::socket::handed::handed;
use vassal_config::vassal::socket::{Found, Listener};
use vassal_state::app::{Readiness, Url};
use vassal_state::request;
use vassal_sys::error::Context;
use vassal_sys::fds;

/// The connections of one kind of app.
#[derive(Debug)]
pub enum AppChannel {
    /// uWSGI's sockets.
    Uwsgi {
        /// The watchdog's end of the Emperor socket.
        emperor: OwnedFd,
        /// uWSGI's end of it.
        emperor_theirs: OwnedFd,
        /// The watchdog's end of the configuration socket.
        config: OwnedFd,
        /// uWSGI's end of it.
        config_theirs: OwnedFd,
        /// The configuration that was pushed through it, for the next time uWSGI asks.
        pushed: OwnedFd,
    },
    /// The notification socket of another program that reports readiness or sends a heartbeat; and its abstract name.
    Notify(OwnedFd, Vec<u8>),
    /// No connection.
    None,
}

/// Makes the connections, and pushes uWSGI's configuration, which waits in the socket until uWSGI reads it.
///
/// # Errors
/// A configuration that cannot be pushed; `EMFILE`.
pub fn make(plan: &Plan, sockets: &[Open], keys: Option<&Keys>) -> Result<AppChannel, Failure> {
    match &plan.payload {
        Payload::Uwsgi { entries, .. } => {
            let sockets = plan.listeners.iter().zip(sockets);
            let numbers = sockets.map(|(listener, open)| (listener, open.fd.as_raw_fd()));
            let instead = |path: &[u8]| keys.and_then(|keys| keys.instead(path));
            connect_uwsgi(&configuration(entries, plan, numbers, instead)?)
        }
        Payload::Command { .. } => {
            let sends = matches!(plan.settings.watchdog, Some(Watchdog::Within(..)));
            match plan.ready == Ready::Notify || sends {
                true => notify_socket(),
                false => Ok(AppChannel::None),
            }
        }
    }
}

/// The configuration for uWSGI: `entries`, in which sockets are replaced by their descriptor numbers and key files by
/// their copies.
///
/// # Errors
/// A configuration that cannot be pushed.
pub fn configuration<'a>(
    entries: &[Entry],
    plan: &Plan,
    sockets: impl Iterator<Item = (&'a Listener, RawFd)>,
    key: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Result<Vec<u8>, Failure> {
    let keys = key_files::replaced(entries, &plan.key_files, key);
    let (entries, replaced) = handed(entries, &sockets.collect::<Vec<_>>(), keys);
    Ok(push::message(&entries, &replaced)?)
}

/// uWSGI looks for shared sockets among its descriptors only if this variable says that it has been reloaded, as it
/// tells itself at a reload. 0: not reloaded so far (measured).
const NO_RELOAD_YET: (&[u8], &[u8]) = (b"UWSGI_RELOADS", b"0");

impl AppChannel {
    /// The environment variables that tell the app about its connections and sockets.
    pub fn environment(&self, plan: &Plan) -> Environment {
        let number = |name: &str, fd: &OwnedFd| (name.into(), fd.as_raw_fd().to_string().into_bytes());
        match self {
            AppChannel::Uwsgi {
                emperor_theirs,
                config_theirs,
                ..
            } => {
                let mut listeners = plan.listeners.iter();
                let is_shared = listeners.any(|listener| listener.found != Found::Number);
                let (name, value) = NO_RELOAD_YET;
                let reloads = is_shared.then(|| (name.to_vec(), value.to_vec()));
                let connections = [
                    number("UWSGI_EMPEROR_FD", emperor_theirs),
                    number("UWSGI_EMPEROR_FD_CONFIG", config_theirs),
                ];
                connections.into_iter().chain(reloads).collect()
            }
            AppChannel::Notify(_, name) => {
                vec![(b"NOTIFY_SOCKET".to_vec(), [b"@", name.as_slice()].concat())]
            }
            AppChannel::None => Vec::new(),
        }
    }

    /// The descriptors that the app gets besides the standard ones.
    pub fn app_descriptors<'a>(&'a self, sockets: &'a [Open]) -> Vec<BorrowedFd<'a>> {
        let sockets = sockets.iter().map(|open| open.fd.as_fd());
        match self {
            AppChannel::Uwsgi {
                emperor_theirs,
                config_theirs,
                ..
            } => sockets
                .chain([emperor_theirs.as_fd(), config_theirs.as_fd()])
                .collect(),
            // A command's sockets are placed by [`activation`](super::activation).
            AppChannel::Notify(..) | AppChannel::None => Vec::new(),
        }
    }

    /// The watchdog's ends, for an app that runs.
    pub fn ours(self) -> request::Links {
        match self {
            AppChannel::Uwsgi {
                emperor,
                config,
                pushed,
                ..
            } => request::Links::Uwsgi {
                emperor,
                config,
                pushed,
            },
            AppChannel::Notify(socket, _) => request::Links::Notify(socket),
            AppChannel::None => request::Links::None,
        }
    }

    /// How the watchdog learns that the app serves.
    pub fn readiness(&self, plan: &Plan) -> Readiness {
        match (self, &plan.ready) {
            (_, Ready::Connect(address)) if is_kept(plan, address) => Readiness::Accepted(address.clone()),
            (_, Ready::Connect(address)) => Readiness::Connect(address.clone()),
            (_, Ready::Http(address, path)) => Readiness::Http(Url {
                address: address.clone(),
                path: path.clone(),
                is_kept: is_kept(plan, address),
            }),
            (AppChannel::Uwsgi { .. }, Ready::Started) => Readiness::Loaded,
            (AppChannel::Uwsgi { .. }, Ready::Accepting | Ready::Notify) => Readiness::Accepting,
            (AppChannel::Notify(..), Ready::Notify) => Readiness::Notify,
            (AppChannel::Notify(..) | AppChannel::None, Ready::Accepting) => match plan.listeners.first() {
                Some(listener) => Readiness::Accepted(listener.address.to_string()),
                None => Readiness::Started,
            },
            (AppChannel::Notify(..), Ready::Started) | (AppChannel::None, Ready::Started | Ready::Notify) => {
                Readiness::Started
            }
        }
    }
}

fn connect_uwsgi(message: &[u8]) -> Result<AppChannel, Failure> {
    let pair = || {
        socketpair(
            AddressFamily::Unix,
            SockType::Stream,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .context(|| "make a socket pair")
    };
    let (emperor, emperor_theirs) = pair()?;
    let (config, config_theirs) = pair()?;
    // The longest possible message fits into a unix socket's buffer, so this does not wait for uWSGI.
    let mut stream = File::from(config);
    stream.write_all(message).context(|| "push the configuration")?;
    let mut pushed = File::from(
        memfd_create(c"vassal-config", MFdFlags::MFD_CLOEXEC).context(|| "keep the configuration")?,
    );
    pushed.write_all(message).context(|| "keep the configuration")?;
    Ok(AppChannel::Uwsgi {
        emperor,
        emperor_theirs,
        config: stream.into(),
        config_theirs,
        pushed: pushed.into(),
    })
}

/// Makes an abstract socket, which is reachable from any root directory, with a name that cannot be guessed. The kernel
/// adds the sender's credentials to each message, so that messages of other processes can be ignored.
fn notify_socket() -> Result<AppChannel, Failure> {
    let step = || "make the app's notification socket";
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Unix, SockType::Datagram, flags, None).context(step)?;
    let name: String = fds::random::<16>()?
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let name = format!("vassal-{name}").into_bytes();
    let address = UnixAddr::new_abstract(&name).context(step)?;
    bind(fd.as_raw_fd(), &address).context(step)?;
    setsockopt(&fd, sockopt::PassCred, &true).context(step)?;
    Ok(AppChannel::Notify(fd, name))
}
