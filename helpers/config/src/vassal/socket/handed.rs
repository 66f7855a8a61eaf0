//! The configuration by which uWSGI finds the sockets that were bound for it.

use crate::language::evaluation::entry::Entry;
use crate::options::id::Id;
use crate::vassal::address::Address;
use crate::vassal::socket::{Found, Listener, address_range};
use std::net::SocketAddr;
use std::os::fd::RawFd;

/// The entries that uWSGI gets instead of `entries`. `sockets` are the sockets with their descriptor numbers; `values`
/// are replacements for other values.
pub fn handed(
    entries: &[Entry],
    sockets: &[(&Listener, RawFd)],
    values: Vec<(usize, Vec<u8>)>,
) -> (Vec<Entry>, Vec<(usize, Vec<u8>)>) {
    let (mut all, mut values) = (entries.to_vec(), values);
    let mut place = entries.iter().filter(|entry| entry.is(Id::SharedSocket)).count();
    for (listener, number) in sockets {
        let Some(entry) = entries.get(listener.entry) else {
            continue;
        };
        match listener.found {
            Found::Number => values.push((listener.entry, format!("fd://{number}").into_bytes())),
            Found::Address => {
                let value = by_address(listener).map(|value| (listener.entry, value));
                values.extend(value);
            }
            Found::Place => {
                let known = values.iter().position(|(at, _)| *at == listener.entry);
                let value = match known {
                    Some(known) => values.remove(known).1,
                    None => entry.value.clone().unwrap_or_default(),
                };
                let Some(range) = address_range(entry, &value) else {
                    continue;
                };
                let address = by_address(listener).unwrap_or_else(|| value[range.clone()].to_vec());
                all.push(Entry::new(
                    Id::SharedSocket.name().into(),
                    Some(address),
                    entry.origin.clone(),
                ));
                let end = &value[range.end..];
                let value = [&value[..range.start], format!("={place}").as_bytes(), end].concat();
                values.push((listener.entry, value));
                place += 1;
            }
        }
    }
    (all, values)
}

/// The address by which uWSGI looks for a shared socket, if that differs from the address as written: for an IPv6
/// address it leaves out the host (measured).
fn by_address(listener: &Listener) -> Option<Vec<u8>> {
    match &listener.address {
        Address::Tcp(SocketAddr::V6(address)) => Some(format!(":{}", address.port()).into_bytes()),
        Address::Tcp(SocketAddr::V4(_)) | Address::Unix(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::evaluation::entry::entry;
    use crate::vassal::socket::listeners;

    fn given(lines: &[(&str, &str)], values: Vec<(usize, Vec<u8>)>) -> Vec<String> {
        let entries: Vec<_> = lines.iter().map(|(key, value)| entry(key, value)).collect();
        let found = listeners(&entries, None);
        let sockets: Vec<_> = found.iter().zip(7..).collect();
        let (entries, values) = handed(&entries, &sockets, values);
        let value = |at: usize, entry: &Entry| {
            let mut replaced = values.iter().filter(|(index, _)| *index == at);
            assert!(replaced.clone().count() < 2, "{values:?}");
            replaced
                .next()
                .map_or_else(|| entry.value.clone().unwrap(), |(_, value)| value.clone())
        };
        let line = |(at, entry): (usize, &Entry)| {
            let [key, value] =
                [entry.key.clone(), value(at, entry)].map(|text| String::from_utf8(text).unwrap());
            format!("{key}={value}")
        };
        entries.iter().enumerate().map(line).collect()
    }

    #[test]
    fn each_is_given_so_that_uwsgi_finds_it() {
        assert_eq!(
            given(&[("http-socket", ":80"), ("shared-socket", ":81")], vec![]),
            ["http-socket=fd://7", "shared-socket=:81"]
        );
        assert_eq!(
            given(&[("shared-socket", "[::1]:82")], vec![]),
            ["shared-socket=:82"]
        );
    }

    #[test]
    fn a_router_finds_its_among_the_shared_ones_by_its_place() {
        assert_eq!(
            given(
                &[
                    ("http", ":80"),
                    ("https2", "cert=/c,addr=127.0.0.1:443,key=/k"),
                    ("shared-socket", ":81"),
                    ("http", "=0"),
                    ("https", "[::1]:443,/c,/k"),
                    ("plugin", "http"),
                ],
                vec![(4, b"[::1]:443,/c,/copy".to_vec())]
            ),
            [
                "http==1",
                "https2=cert=/c,addr==2,key=/k",
                "shared-socket=:81",
                "http==0",
                "https==3,/c,/copy",
                "plugin=http",
                "shared-socket=:80",
                "shared-socket=127.0.0.1:443",
                "shared-socket=:443",
            ]
        );
        // What it has to bind itself it is given as written.
        let plugins = ("plugins", "http,fastrouter");
        for lines in [
            [("http", "localhost:80"), ("fastrouter", "/run/f.sock"), plugins],
            [("http", ":80"), ("reuse-port", "true"), plugins],
            [("http", ":80"), ("shared-socket", "localhost:81"), plugins],
            [("http", ":80"), ("master", "true"), ("plugin", "python3")],
        ] {
            let written = lines.map(|(key, value)| format!("{key}={value}"));
            assert_eq!(given(&lines, vec![]), written);
        }
    }
}
