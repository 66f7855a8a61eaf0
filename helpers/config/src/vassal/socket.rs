//! The listening sockets that a configuration names, as far as they are bound for it and kept over restarts.

use crate::diagnostic::Origin;
use crate::language::evaluation::entry::{Entry, has, last};
use crate::options::id::Id;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::RawFd;
use vassal_escape::printable;

/// Options whose value is an address to listen on and nothing else.
pub const LISTENING: [Id; 10] = [
    Id::Socket,
    Id::UwsgiSocket,
    Id::HttpSocket,
    Id::Http11Socket,
    Id::FastcgiSocket,
    Id::FastcgiNphSocket,
    Id::ScgiSocket,
    Id::ScgiNphSocket,
    Id::RawSocket,
    Id::PuwsgiSocket,
];

/// Options that tell uWSGI how to bind: with one of them it has to do it itself.
const BINDING: [Id; 3] = [Id::ReusePort, Id::Freebind, Id::AbstractSocket];

/// The backlog uWSGI asks for when `listen` is not given.
const DEFAULT_BACKLOG: i32 = 100;

/// The longest path of a unix socket, with the NUL at its end (unix(7)).
const PATH_BYTES: usize = 108;
/// `chmod-socket` without a mode (section ACT of the measurements: 666).
const OPEN_TO_ALL: u32 = 0o666;

/// Where a socket listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// TCP, in numbers.
    Tcp(SocketAddr),
    /// An absolute path.
    Unix(Vec<u8>),
}

impl Listener {
    /// What uWSGI is given in the place of the line's value, when its descriptor has this number in the app. A shared one it finds by
    /// its address, of which it leaves out the host where that is IPv6 (measured).
    pub fn value(&self, number: RawFd) -> Option<Vec<u8>> {
        match (self.is_shared, &self.address) {
            (false, _) => Some(format!("fd://{number}").into_bytes()),
            (true, Address::Tcp(SocketAddr::V6(address))) => {
                Some(format!(":{}", address.port()).into_bytes())
            }
            (true, Address::Tcp(SocketAddr::V4(_)) | Address::Unix(_)) => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => write!(f, "{address}"),
            Address::Unix(path) => write!(f, "{}", printable(path)),
        }
    }
}

/// What the file says of all its unix sockets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnixOptions {
    /// `chmod-socket`
    pub mode: Option<u32>,
    /// `chown-socket`: with it they are bound as root, before the root directory changes (ORD-10, measured).
    pub owner: Option<SocketOwner>,
}

/// `chown-socket = USER[:GROUP]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketOwner {
    /// A name or a number.
    pub user: Vec<u8>,
    /// A name or a number; root's where none is given.
    pub group: Option<Vec<u8>>,
    /// The line.
    pub origin: Origin,
}

impl UnixOptions {
    /// What `entries` say; the last line of each counts.
    pub fn of(entries: &[Entry]) -> Self {
        let value = |entry: &Entry| entry.value.clone().unwrap_or_default();
        let mode = |entry: &Entry| {
            let text = String::from_utf8(value(entry)).ok()?;
            u32::from_str_radix(&text, 8).ok().filter(|_| text.len() == 3)
        };
        let owner = |entry: &Entry| {
            let text = value(entry);
            let mut parts = text.splitn(2, |byte| *byte == b':').map(<[u8]>::to_vec);
            SocketOwner {
                user: parts.next().unwrap_or_default(),
                group: parts.next(),
                origin: entry.origin.clone(),
            }
        };
        Self {
            mode: last(entries, &[Id::ChmodSocket]).map(|entry| mode(entry).unwrap_or(OPEN_TO_ALL)),
            owner: last(entries, &[Id::ChownSocket]).map(owner),
        }
    }
}

/// A socket to bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens.
    pub address: Address,
    /// `listen`
    pub backlog: i32,
    /// The line that names it.
    pub origin: Origin,
    /// Which entry of the list that is.
    pub entry: usize,
    /// `shared-socket`: bound as root, and found by uWSGI among its descriptors by the address, as at its own reload. `fd://N`
    /// is no value for it (measured: 2.0.21 and 2.0.28 take it for descriptor -1). Never a unix socket, for which it takes any
    /// other that has no name (measured).
    pub is_shared: bool,
}

/// The sockets of `entries` that are bound for uWSGI: those on TCP addresses in numbers and on absolute paths. Relative
/// paths, names and patterns stay uWSGI's.
pub fn listeners(entries: &[Entry]) -> Vec<Listener> {
    if has(entries, &BINDING) {
        return Vec::new();
    }
    let backlog = last(entries, &[Id::Listen]).and_then(|entry| entry.value.as_deref());
    let backlog = backlog.and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok());
    let listener = |(at, entry): (usize, &Entry)| {
        let is_shared = is_shared(entry);
        (is_shared || LISTENING.iter().any(|id| entry.is(*id))).then_some(())?;
        let address = address(entry.value.as_deref()?)?;
        if is_shared && matches!(address, Address::Unix(_)) {
            return None;
        }
        let backlog = backlog.unwrap_or(DEFAULT_BACKLOG);
        Some(Listener {
            address,
            backlog,
            origin: entry.origin.clone(),
            entry: at,
            is_shared,
        })
    };
    let mut listeners: Vec<_> = entries.iter().enumerate().filter_map(listener).collect();
    let lines = entries.iter().filter(|entry| is_shared(entry)).count();
    leave_shared(&mut listeners, lines);
    listeners
}

/// Unless all of the `lines` that name shared sockets are among `listeners`, all of those are uWSGI's: what it looks for among its
/// descriptors and does not find, it does not bind (measured).
pub(crate) fn leave_shared(listeners: &mut Vec<Listener>, lines: usize) {
    if listeners.iter().filter(|listener| listener.is_shared).count() < lines {
        listeners.retain(|listener| !listener.is_shared);
    }
}

fn is_shared(entry: &Entry) -> bool {
    entry.is(Id::SharedSocket)
}

fn address(value: &[u8]) -> Option<Address> {
    if value.first() == Some(&b'/') {
        // With a colon in it uWSGI looks for a port.
        let is_path = !value.contains(&b':') && !value.contains(&0) && value.len() < PATH_BYTES;
        return is_path.then(|| Address::Unix(value.to_vec()));
    }
    tcp(value).map(Address::Tcp)
}

/// `:PORT` is every IPv4 address of the machine, as in uWSGI.
fn tcp(value: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(value).ok()?;
    let address = match text.strip_prefix(':') {
        Some(port) => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port.parse().ok()?),
        None => text.parse().ok()?,
    };
    // Port 0 is a new port at each start: nothing to keep.
    (address.port() != 0).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::evaluation::entry::entry;

    #[test]
    fn numeric_tcp_addresses_are_bound_for_uwsgi() {
        let entries = [
            entry("http-socket", ":9090"),
            entry("socket", "/run/app.sock"),
            entry("socket", "app.sock"),
            entry("socket", "/run/a:1"),
            entry("socket", "127.0.0.1:3031"),
            entry("http-socket", "[::1]:80"),
            entry("socket", "*:3031"),
            entry("socket", "fd://3"),
            entry("socket", ":0"),
            entry("stats", "127.0.0.1:1717"),
            entry("shared-socket", ":81"),
        ];
        let bound: Vec<_> = listeners(&entries)
            .iter()
            .map(|listener| listener.address.to_string())
            .collect();
        let expected = [
            "0.0.0.0:9090",
            "/run/app.sock",
            "127.0.0.1:3031",
            "[::1]:80",
            "0.0.0.0:81",
        ];
        assert_eq!(bound, expected);
        let shared = listeners(&entries)
            .into_iter()
            .filter(|listener| listener.is_shared);
        assert_eq!(shared.map(|listener| listener.entry).collect::<Vec<_>>(), [10]);
    }

    #[test]
    fn an_option_about_binding_leaves_it_to_uwsgi() {
        assert!(listeners(&[entry("http-socket", ":9090"), entry("reuse-port", "true")]).is_empty());
    }

    #[test]
    fn what_is_said_of_unix_sockets_is_for_all() {
        let options = |lines: &[(&str, &str)]| {
            let entries: Vec<_> = lines.iter().map(|(key, value)| entry(key, value)).collect();
            UnixOptions::of(&entries)
        };
        assert_eq!(options(&[]), UnixOptions::default());
        let all = options(&[("chmod-socket", "660"), ("chown-socket", "www:web")]);
        assert_eq!(all.mode, Some(0o660));
        let owner = all.owner.unwrap();
        assert_eq!(
            (owner.user, owner.group),
            (b"www".to_vec(), Some(b"web".to_vec()))
        );
        assert_eq!(options(&[("chmod-socket", "1")]).mode, Some(0o666));
    }

    #[test]
    fn shared_sockets_are_bound_together_or_not_at_all() {
        let shared = |values: &[&str]| {
            let entries: Vec<_> = values.iter().map(|value| entry("shared-socket", value)).collect();
            let given = listeners(&entries).into_iter().map(|listener| listener.value(7));
            given.collect::<Vec<_>>()
        };
        assert_eq!(shared(&[":81", "[::1]:82"]), [None, Some(b":82".to_vec())]);
        assert!(shared(&[":81", "localhost:82"]).is_empty());
        assert!(shared(&[":81", "/run/shared.sock"]).is_empty());
    }

    #[test]
    fn the_last_backlog_counts() {
        let entries = [entry("listen", "5"), entry("socket", ":1"), entry("listen", "7")];
        assert_eq!(listeners(&entries)[0].backlog, 7);
    }
}
