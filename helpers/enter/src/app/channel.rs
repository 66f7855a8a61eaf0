//! What connects the app with the watchdog: for uWSGI the two sockets of an Emperor (D4, EMP-17), for another program
//! a notification socket if it asked for one.

use crate::failure::Failure;
use crate::handed_over::keys::Keys;
use crate::invocation::Environment;
use crate::sockets::store::Open;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, bind, setsockopt, socket, socketpair, sockopt,
};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use vassal_config::language::evaluation::evaluate::Entry;
use vassal_config::vassal::key_files;
use vassal_config::vassal::overlap::is_kept;
use vassal_config::vassal::payload::Payload;
use vassal_config::vassal::plan::Plan;
use vassal_config::vassal::push;
use vassal_config::vassal::settings::Ready;
use vassal_config::vassal::socket::Listener;
use vassal_state::handoff::{Readiness, Url};
use vassal_state::request;
use vassal_sys::error::Step;
use vassal_sys::fds;

/// The connections of one kind of payload.
#[derive(Debug)]
pub enum Links {
    /// uWSGI's.
    Uwsgi {
        /// Our end of the Emperor's socket.
        emperor: OwnedFd,
        /// uWSGI's end of it.
        emperor_theirs: OwnedFd,
        /// Our end of the configuration socket.
        config: OwnedFd,
        /// uWSGI's end of it.
        config_theirs: OwnedFd,
        /// What was pushed through it, for the next time it is asked for.
        pushed: OwnedFd,
    },
    /// Another program's notification socket, and its abstract name.
    Notify(OwnedFd, Vec<u8>),
    /// Nothing.
    None,
}

/// Makes the connections, and pushes the configuration, which waits in the socket until uWSGI reads it.
///
/// # Errors
/// A configuration that cannot be pushed; `EMFILE`.
pub fn make(plan: &Plan, sockets: &[Open], keys: Option<&Keys>) -> Result<Links, Failure> {
    match (&plan.payload, &plan.ready) {
        (Payload::Uwsgi { entries, .. }, _) => {
            let sockets = plan.listeners.iter().zip(sockets);
            let numbers = sockets.map(|(listener, open)| (listener, open.fd.as_raw_fd()));
            let instead = |path: &[u8]| keys.and_then(|keys| keys.instead(path));
            connect_uwsgi(&configuration(entries, plan, numbers, instead)?)
        }
        (Payload::Command { .. }, Ready::Notify) => notify_socket(),
        (
            Payload::Command { .. },
            Ready::Started | Ready::Accepting | Ready::Connect(_) | Ready::Http(..),
        ) => Ok(Links::None),
    }
}

/// What uWSGI is given of `entries`, with the numbers of its sockets and the copies of keys instead of what they name.
///
/// # Errors
/// A configuration that cannot be pushed.
pub fn configuration<'a>(
    entries: &[Entry],
    plan: &Plan,
    sockets: impl Iterator<Item = (&'a Listener, RawFd)>,
    key: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Result<Vec<u8>, Failure> {
    let sockets = sockets.filter_map(|(listener, number)| Some((listener.entry, listener.value(number)?)));
    let keys = key_files::replaced(entries, &plan.key_files, key);
    let replaced: Vec<_> = sockets.chain(keys).collect();
    Ok(push::message(entries, &replaced)?)
}

/// uWSGI looks for its shared sockets among its descriptors only when it has been told that this is a reload, as it tells itself;
/// of none so far (measured).
const NO_RELOAD_YET: (&[u8], &[u8]) = (b"UWSGI_RELOADS", b"0");

impl Links {
    /// The variables that tell the app about its connections and sockets.
    pub fn environment(&self, plan: &Plan) -> Environment {
        let number = |name: &str, fd: &OwnedFd| (name.into(), fd.as_raw_fd().to_string().into_bytes());
        match self {
            Links::Uwsgi {
                emperor_theirs,
                config_theirs,
                ..
            } => {
                let is_shared = plan.listeners.iter().any(|listener| listener.is_shared);
                let (name, value) = NO_RELOAD_YET;
                let reloads = is_shared.then(|| (name.to_vec(), value.to_vec()));
                let connections = [
                    number("UWSGI_EMPEROR_FD", emperor_theirs),
                    number("UWSGI_EMPEROR_FD_CONFIG", config_theirs),
                ];
                connections.into_iter().chain(reloads).collect()
            }
            Links::Notify(_, name) => vec![(b"NOTIFY_SOCKET".to_vec(), [b"@", name.as_slice()].concat())],
            Links::None => Vec::new(),
        }
    }

    /// The descriptors that the app gets beside its standard ones.
    pub fn payloads_descriptors<'a>(&'a self, sockets: &'a [Open]) -> Vec<BorrowedFd<'a>> {
        let sockets = sockets.iter().map(|open| open.fd.as_fd());
        match self {
            Links::Uwsgi {
                emperor_theirs,
                config_theirs,
                ..
            } => sockets
                .chain([emperor_theirs.as_fd(), config_theirs.as_fd()])
                .collect(),
            // Those of a command are put elsewhere.
            Links::Notify(..) | Links::None => Vec::new(),
        }
    }

    /// The watchdog's ends, for one that runs.
    pub fn ours(self) -> request::Links {
        match self {
            Links::Uwsgi {
                emperor,
                config,
                pushed,
                ..
            } => request::Links::Uwsgi {
                emperor,
                config,
                pushed,
            },
            Links::Notify(socket, _) => request::Links::Notify(socket),
            Links::None => request::Links::None,
        }
    }

    /// How the app will say that it serves.
    pub fn readiness(&self, plan: &Plan) -> Readiness {
        match (self, &plan.ready) {
            (_, Ready::Connect(address)) if is_kept(plan, address) => Readiness::Accepted(address.clone()),
            (_, Ready::Connect(address)) => Readiness::Connect(address.clone()),
            (_, Ready::Http(address, path)) => Readiness::Http(Url {
                address: address.clone(),
                path: path.clone(),
                is_kept: is_kept(plan, address),
            }),
            (Links::Uwsgi { .. }, Ready::Started) => Readiness::Loaded,
            (Links::Uwsgi { .. }, Ready::Accepting | Ready::Notify) => Readiness::Accepting,
            (Links::Notify(..), _) => Readiness::Notify,
            (Links::None, Ready::Accepting) => match plan.listeners.first() {
                Some(listener) => Readiness::Accepted(listener.address.to_string()),
                None => Readiness::Started,
            },
            (Links::None, Ready::Started | Ready::Notify) => Readiness::Started,
        }
    }
}

fn connect_uwsgi(message: &[u8]) -> Result<Links, Failure> {
    let pair = || {
        socketpair(
            AddressFamily::Unix,
            SockType::Stream,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .step(|| "make a socket pair")
    };
    let (emperor, emperor_theirs) = pair()?;
    let (config, config_theirs) = pair()?;
    // The longest message there is fits into the buffer of a unix socket, so this does not wait for a reader.
    let mut stream = File::from(config);
    stream.write_all(message).step(|| "push the configuration")?;
    let mut pushed =
        File::from(memfd_create(c"vassal-config", MFdFlags::MFD_CLOEXEC).step(|| "keep the configuration")?);
    pushed.write_all(message).step(|| "keep the configuration")?;
    Ok(Links::Uwsgi {
        emperor,
        emperor_theirs,
        config: stream.into(),
        config_theirs,
        pushed: pushed.into(),
    })
}

/// An abstract socket, reachable whatever the root directory is, with a name that cannot be guessed. The kernel says who sends,
/// so that only the app's processes are heard.
fn notify_socket() -> Result<Links, Failure> {
    let step = || "make the app's notification socket";
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Unix, SockType::Datagram, flags, None).step(step)?;
    let name: String = fds::random::<16>()?
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let name = format!("vassal-{name}").into_bytes();
    let address = UnixAddr::new_abstract(&name).step(step)?;
    bind(fd.as_raw_fd(), &address).step(step)?;
    setsockopt(&fd, sockopt::PassCred, &true).step(step)?;
    Ok(Links::Notify(fd, name))
}
