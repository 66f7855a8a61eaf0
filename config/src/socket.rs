//! The listening sockets that a configuration names, as far as they are bound for it and kept over restarts.

use crate::diagnostic::Origin;
use crate::entries::Entry;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Options whose value is an address to listen on and nothing else.
const LISTENING: [&[u8]; 10] = [
    b"socket",
    b"uwsgi-socket",
    b"http-socket",
    b"http11-socket",
    b"fastcgi-socket",
    b"fastcgi-nph-socket",
    b"scgi-socket",
    b"scgi-nph-socket",
    b"raw-socket",
    b"puwsgi-socket",
];

/// Options that tell uWSGI how to bind: with one of them it has to do it itself.
const BINDING: [&[u8]; 3] = [b"reuse-port", b"freebind", b"abstract-socket"];

/// The backlog uWSGI asks for when `listen` is not given.
const DEFAULT_BACKLOG: i32 = 100;

/// A socket to bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddr,
    /// `listen`
    pub backlog: i32,
    /// The line that names it.
    pub origin: Origin,
    /// Which entry of the list that is.
    pub entry: usize,
}

/// The sockets of `entries` that can be bound before uWSGI is started: those on TCP addresses in numbers. Unix
/// sockets (which may lie in the vassal's own root), names and patterns stay uWSGI's.
pub fn listeners(entries: &[Entry]) -> Vec<Listener> {
    if entries
        .iter()
        .any(|entry| BINDING.contains(&entry.key.as_slice()))
    {
        return Vec::new();
    }
    let backlog = entries
        .iter()
        .rev()
        .find(|entry| entry.key == b"listen")
        .and_then(|entry| entry.value.as_deref());
    let backlog = backlog.and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok());
    let listener = |(at, entry): (usize, &Entry)| {
        LISTENING.contains(&entry.key.as_slice()).then_some(())?;
        let address = address(entry.value.as_deref()?)?;
        let backlog = backlog.unwrap_or(DEFAULT_BACKLOG);
        Some(Listener {
            address,
            backlog,
            origin: entry.origin.clone(),
            entry: at,
        })
    };
    entries.iter().enumerate().filter_map(listener).collect()
}

/// `:PORT` is every IPv4 address of the machine, as in uWSGI.
fn address(value: &[u8]) -> Option<SocketAddr> {
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

    fn entry(key: &str, value: &str) -> Entry {
        Entry {
            key: key.into(),
            value: Some(value.into()),
            origin: Origin::CommandLine,
        }
    }

    #[test]
    fn numeric_tcp_addresses_are_bound_for_uwsgi() {
        let entries = [
            entry("http-socket", ":9090"),
            entry("socket", "/run/app.sock"),
            entry("socket", "127.0.0.1:3031"),
            entry("http-socket", "[::1]:80"),
            entry("socket", "*:3031"),
            entry("socket", "fd://3"),
            entry("socket", ":0"),
            entry("stats", "127.0.0.1:1717"),
        ];
        let bound: Vec<_> = listeners(&entries)
            .iter()
            .map(|listener| listener.address.to_string())
            .collect();
        assert_eq!(bound, ["0.0.0.0:9090", "127.0.0.1:3031", "[::1]:80"]);
    }

    #[test]
    fn an_option_about_binding_leaves_it_to_uwsgi() {
        assert!(listeners(&[entry("http-socket", ":9090"), entry("reuse-port", "true")]).is_empty());
    }

    #[test]
    fn the_last_backlog_counts() {
        let entries = [entry("listen", "5"), entry("socket", ":1"), entry("listen", "7")];
        assert_eq!(listeners(&entries)[0].backlog, 7);
    }
}
