//! The listening sockets in a configuration that are bound before the app starts and kept over restarts.

pub mod handed;

use crate::diagnostic::Origin;
use crate::language::evaluation::entry::{Entry, has, last};
use crate::options::id::Id;
pub use crate::options::values::LISTENING;
use crate::vassal::address;
use crate::vassal::address::{Address, OnDemandSocket};
use crate::vassal::missing_plugins::is_without_plugin;
use crate::vassal::settings::{Settings, Socket};
use std::ops::Range;

/// Options about how uWSGI binds sockets; with one of them uWSGI has to do it itself.
const BINDING: [Id; 3] = [Id::ReusePort, Id::Freebind, Id::AbstractSocket];

/// The length of the queue if `listen` is not given, as in uWSGI.
const DEFAULT_BACKLOG: i32 = 100;

/// How uWSGI finds a socket that was bound for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// By the number of its descriptor.
    Number,
    /// `shared-socket`: among its descriptors by the address, as at its own reload. `fd://N` is not possible (measured:
    /// 2.0.21 and 2.0.28 take it for descriptor -1). Unix sockets are not possible either, because uWSGI takes any
    /// other one without a name (measured).
    Address,
    /// By its position among the shared sockets, to which it is added. For routers, which do not accept `fd://N`
    /// (measured).
    Place,
}

/// A socket to bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Its address.
    pub address: Address,
    /// `listen`
    pub backlog: i32,
    /// The line that names it.
    pub origin: Origin,
    /// Its name in `$LISTEN_FDNAMES`; for uWSGI it has none.
    pub name: Option<String>,
    /// The index of that entry in the list.
    pub entry: usize,
    /// How uWSGI finds it.
    pub found: Found,
    /// Whether systemd binds it, and its first connection starts the vassal.
    pub is_on_demand: bool,
}

/// The line with which uWSGI gets the on-demand socket. uWSGI serves it with the default protocol, as it does the
/// inherited socket under the Emperor. `None` if one of `entries` has this address.
pub(crate) fn line_of(on_demand_socket: &OnDemandSocket, entries: &[Entry]) -> Option<Entry> {
    let is_named = |entry: &Entry| {
        way(entry).and_then(|_| address_of(entry)).as_ref() == Some(&on_demand_socket.address)
    };
    let address = on_demand_socket.address.to_string().into_bytes();
    (!entries.iter().any(is_named))
        .then(|| Entry::new(b"socket".to_vec(), Some(address), on_demand_socket.origin.clone()))
}

/// The sockets in `entries` that are bound for uWSGI: those with numeric TCP addresses and absolute paths. uWSGI itself
/// binds relative paths, names and patterns. The one of `on_demand_socket` is bound already.
pub fn listeners(entries: &[Entry], on_demand_socket: Option<&OnDemandSocket>) -> Vec<Listener> {
    let backlog = last(entries, &[Id::Listen]).and_then(|entry| entry.value.as_deref());
    let backlog = backlog.and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok());
    let listener = |(at, entry): (usize, &Entry)| {
        let found = way(entry)?;
        let address = address_of(entry)?;
        if found != Found::Number && matches!(address, Address::Unix(_)) {
            return None;
        }
        // A socket from which nothing accepts connections would only make clients wait.
        if found == Found::Place && is_without_plugin(entry, entries) {
            return None;
        }
        let backlog = backlog.unwrap_or(DEFAULT_BACKLOG);
        Some(Listener {
            is_on_demand: on_demand_socket
                .is_some_and(|on_demand_socket| on_demand_socket.address == address),
            address,
            backlog,
            origin: entry.origin.clone(),
            name: None,
            entry: at,
            found,
        })
    };
    let mut listeners: Vec<_> = entries.iter().enumerate().filter_map(listener).collect();
    if has(entries, &BINDING) {
        listeners.retain(|listener| listener.is_on_demand);
    }
    let lines = entries.iter().filter(|entry| entry.is(Id::SharedSocket)).count();
    leave_shared(&mut listeners, lines);
    listeners
}

/// The name of the on-demand socket for systemd (`FileDescriptorName=`), and in a command's `$LISTEN_FDNAMES` unless a
/// line has its address.
pub const ON_DEMAND: &str = "on-demand";

/// The sockets in a section `[vassal]`, for its command, and the on-demand socket.
pub(crate) fn of_command(settings: &Settings) -> Vec<Listener> {
    let on_demand_socket = settings.on_demand_socket.as_ref();
    let listener = |address: &Address, origin: &Origin, name: &str| Listener {
        is_on_demand: on_demand_socket.is_some_and(|on_demand_socket| on_demand_socket.address == *address),
        address: address.clone(),
        backlog: settings.backlog,
        origin: origin.clone(),
        name: Some(name.to_owned()),
        entry: 0,
        found: Found::Number,
    };
    let named = |socket: &Socket| listener(&socket.address, &socket.origin, &socket.name);
    let mut listeners: Vec<_> = settings.sockets.iter().map(named).collect();
    if let Some(OnDemandSocket { address, origin }) = on_demand_socket {
        if !listeners.iter().any(|listener| listener.is_on_demand) {
            listeners.push(listener(address, origin, ON_DEMAND));
        }
    }
    listeners
}

/// Leaves all shared sockets to uWSGI unless each of the `lines` lines about them is among `listeners`: if uWSGI looks
/// for one among its descriptors and does not find it, it does not bind it either (measured).
pub(crate) fn leave_shared(listeners: &mut Vec<Listener>, lines: usize) {
    if shared(listeners) < lines {
        listeners.retain(|listener| listener.found == Found::Number);
    }
}

/// How many of `listeners` are shared sockets.
pub(crate) fn shared(listeners: &[Listener]) -> usize {
    let is_named = |listener: &&Listener| listener.found == Found::Address;
    listeners.iter().filter(is_named).count()
}

/// Options for listening sockets that uWSGI itself has to bind: it looks for a shared socket already when it reads the
/// line, when there is none yet (measured).
const UWSGIS_OWN: [Id; 2] = [Id::SuwsgiSocket, Id::HttpsSocket];
/// Options of routers whose value begins with an address.
const BY_PLACE: [Id; 6] = [
    Id::Http,
    Id::Httprouter,
    Id::Https,
    Id::Fastrouter,
    Id::Rawrouter,
    Id::Sslrouter,
];
/// Options of routers in whose value the address is a named part.
const BY_NAME: [Id; 2] = [Id::Https2, Id::Sslrouter2];
/// The name of that part.
const NAME: &[u8] = b"addr=";

/// How uWSGI finds the socket of `entry`; `None` if the option opens no listening socket.
fn way(entry: &Entry) -> Option<Found> {
    match entry {
        _ if entry.is_one_of(&LISTENING) => Some(Found::Number),
        _ if entry.is(Id::SharedSocket) => Some(Found::Address),
        _ if entry.is_one_of(&BY_PLACE) || entry.is_one_of(&BY_NAME) => Some(Found::Place),
        _ => None,
    }
}

/// Whether the option opens a listening socket.
pub fn is_listening(entry: &Entry) -> bool {
    way(entry).is_some() || entry.is_one_of(&UWSGIS_OWN)
}

/// The position of the address in the value of such an option.
pub(crate) fn address_range(entry: &Entry, value: &[u8]) -> Option<Range<usize>> {
    let (is_part, name) = match entry {
        _ if entry.is_one_of(&BY_NAME) => (true, NAME),
        _ => (entry.is_one_of(&BY_PLACE), &b""[..]),
    };
    if !is_part {
        return Some(0..value.len());
    }
    let mut start = 0;
    for part in value.split(|byte| *byte == b',') {
        let end = start + part.len();
        if part.starts_with(name) {
            return Some(start + name.len()..end);
        }
        start = end + 1;
    }
    None
}

fn address_of(entry: &Entry) -> Option<Address> {
    let value = entry.value.as_deref()?;
    address::parse(&value[address_range(entry, value)?])
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
        let bound: Vec<_> = listeners(&entries, None)
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
        let shared = listeners(&entries, None)
            .into_iter()
            .filter(|listener| listener.found == Found::Address);
        assert_eq!(shared.map(|listener| listener.entry).collect::<Vec<_>>(), [10]);
    }

    #[test]
    fn an_option_about_binding_leaves_it_to_uwsgi() {
        assert!(
            listeners(
                &[entry("http-socket", ":9090"), entry("reuse-port", "true")],
                None
            )
            .is_empty()
        );
    }

    #[test]
    fn shared_sockets_are_bound_together_or_not_at_all() {
        let bound = |lines: &[(&str, &str)]| {
            let entries: Vec<_> = lines.iter().map(|(key, value)| entry(key, value)).collect();
            let found = listeners(&entries, None).into_iter();
            found.map(|listener| listener.entry).collect::<Vec<_>>()
        };
        let (first, router) = (("shared-socket", ":81"), ("http", ":80"));
        let plugin = ("plugin", "http");
        assert_eq!(
            bound(&[first, ("shared-socket", "[::1]:82"), router, plugin]),
            [0, 1, 2]
        );
        assert!(bound(&[router]).is_empty());
        assert!(bound(&[first, ("shared-socket", "localhost:82"), router, plugin]).is_empty());
        assert!(bound(&[first, ("shared-socket", "/run/shared.sock")]).is_empty());
        assert_eq!(bound(&[("http", "/run/http.sock"), router, plugin]), [1]);
    }

    #[test]
    fn the_socket_that_starts_the_vassal_is_given_to_uwsgi_once_and_whatever_is_said_about_binding() {
        let on_demand_socket = OnDemandSocket {
            address: address::parse(b":9090").unwrap(),
            origin: Origin::CommandLine,
        };
        let mut entries = vec![entry("reuse-port", "true"), entry("http-socket", ":80")];
        entries.extend(line_of(&on_demand_socket, &entries));
        let found = listeners(&entries, Some(&on_demand_socket));
        assert_eq!(found.iter().map(|each| each.entry).collect::<Vec<_>>(), [2]);
        assert!(found[0].is_on_demand);
        assert_eq!(entries[2], entry("socket", "0.0.0.0:9090"));
        assert_eq!(
            line_of(&on_demand_socket, &[entry("http-socket", "0.0.0.0:9090")]),
            None
        );
        assert_eq!(line_of(&on_demand_socket, &[entry("https", ":9090,/c,/k")]), None);
    }

    #[test]
    fn the_last_backlog_counts() {
        let entries = [entry("listen", "5"), entry("socket", ":1"), entry("listen", "7")];
        assert_eq!(listeners(&entries, None)[0].backlog, 7);
    }
}
