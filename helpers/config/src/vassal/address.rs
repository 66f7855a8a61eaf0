//! Addresses of listening sockets, and the settings for all unix sockets of a file.

use crate::diagnostic::{Diagnostic, Origin};
use crate::emperor::name::VassalName;
use crate::emperor::on_demand::OnDemand;
use crate::language::evaluation::entry::{Entry, last};
use crate::machine::world::World;
use crate::options::id::Id;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use vassal_escape::printable;

/// The longest path of a unix socket, including the NUL at its end (unix(7)).
const PATH_BYTES: usize = 108;
/// The mode for `chmod-socket` without a value (section ACT of the measurements: 666).
const OPEN_TO_ALL: u32 = 0o666;

/// The address of a listening socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A numeric TCP address.
    Tcp(SocketAddr),
    /// The absolute path of a unix socket.
    Unix(Vec<u8>),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => write!(f, "{address}"),
            Address::Unix(path) => write!(f, "{}", printable(path)),
        }
    }
}

/// The settings for all unix sockets of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnixOptions {
    /// `chmod-socket`
    pub mode: Option<u32>,
    /// `chown-socket`: with it, root binds the sockets before the root directory changes (ORD-10, measured).
    pub owner: Option<SocketOwner>,
}

/// `chown-socket = USER[:GROUP]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketOwner {
    /// A name or a number.
    pub user: Vec<u8>,
    /// A name or a number; without it, root's group.
    pub group: Option<Vec<u8>>,
    /// The line.
    pub origin: Origin,
}

impl SocketOwner {
    /// `USER[:GROUP]`
    pub(crate) fn of(text: &[u8], origin: &Origin) -> Self {
        let mut parts = text.splitn(2, |byte| *byte == b':').map(<[u8]>::to_vec);
        Self {
            user: parts.next().unwrap_or_default(),
            group: parts.next(),
            origin: origin.clone(),
        }
    }
}

impl UnixOptions {
    /// The settings in `entries`; the last line of each counts.
    pub fn of(entries: &[Entry]) -> Self {
        let value = |entry: &Entry| entry.value.clone().unwrap_or_default();
        let mode = |entry: &Entry| {
            let text = String::from_utf8(value(entry)).ok()?;
            u32::from_str_radix(&text, 8).ok().filter(|_| text.len() == 3)
        };
        let owner = |entry: &Entry| SocketOwner::of(&value(entry), &entry.origin);
        Self {
            mode: last(entries, &[Id::ChmodSocket]).map(|entry| mode(entry).unwrap_or(OPEN_TO_ALL)),
            owner: last(entries, &[Id::ChownSocket]).map(owner),
        }
    }
}

/// The socket of a vassal on demand, whose first connection starts it (EMP-28).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnDemandSocket {
    /// The address on which systemd listens.
    pub address: Address,
    /// Where the address is written.
    pub origin: Origin,
}

impl OnDemandSocket {
    /// The socket of the vassal `name`; `None` if it is not on demand. The working directory of `world` must be that of
    /// the vassal's file.
    ///
    /// # Errors
    /// A file that cannot be read, or contains no address that can be bound.
    pub fn of(
        on_demand: &OnDemand,
        name: &VassalName,
        world: &dyn World,
    ) -> Result<Option<Self>, Diagnostic> {
        let Some(written) = on_demand.written(name, world)? else {
            return Ok(None);
        };
        let origin = written.origin;
        // The address becomes a line of a unit.
        match parse(&written.address).filter(|_| listen_stream(&written.address).is_some()) {
            Some(address) => Ok(Some(Self { address, origin })),
            None => {
                let message = format!("on demand: '{}' is no address", printable(&written.address));
                let hint = "write IP:PORT in numbers, or the absolute path of a unix socket";
                Err(Diagnostic::error(Some(origin), message).with_hint(hint))
            }
        }
    }
}

/// An address as a value of `ListenStream=`; `None` if it is malformed (systemd.socket(5), systemd.syntax(7)).
pub fn listen_stream(value: &[u8]) -> Option<String> {
    let is_line = |text: &&str| !text.contains(char::is_control) && !text.ends_with('\\');
    let text = std::str::from_utf8(value).ok().filter(is_line)?;
    Some(match parse(value)? {
        Address::Tcp(address) => address.to_string(),
        Address::Unix(_) => text.replace('%', "%%"),
    })
}

/// Parses an address that can be bound for an app: numeric TCP, or an absolute path.
pub(crate) fn parse(value: &[u8]) -> Option<Address> {
    if value.first() == Some(&b'/') {
        // uWSGI takes the text after a colon as a port.
        let is_path = !value.contains(&b':') && !value.contains(&0) && value.len() < PATH_BYTES;
        return is_path.then(|| Address::Unix(value.to_vec()));
    }
    tcp(value).map(Address::Tcp)
}

/// Parses a TCP address. As in uWSGI, `:PORT` means all IPv4 addresses of the machine.
fn tcp(value: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(value).ok()?;
    let address = match text.strip_prefix(':') {
        Some(port) => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port.parse().ok()?),
        None => text.parse().ok()?,
    };
    // Port 0 is another port at each start, so the socket cannot be kept.
    (address.port() != 0).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::evaluation::entry::entry;

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
}
