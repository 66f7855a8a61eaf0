//! Lint: a port that only root may bind, for a socket that uWSGI binds as the app's user.

use crate::lints::host::Host;
use crate::lints::scene::{Remark, Scene};
use crate::reading::finding::Finding;
use crate::reading::rule::Rule;
use vassal_config::diagnostic::quote;
use vassal_config::language::evaluation::entry::Entry;
use vassal_config::options::id::Id;
use vassal_config::vassal::payload::Payload;
use vassal_config::vassal::socket::is_listening;
use vassal_escape::printable;

/// Options whose value begins with an address to bind, or contains `addr=`.
const BIND: [Id; 21] = [
    Id::FastcgiSocket,
    Id::Fastrouter,
    Id::FastrouterSubscriptionServer,
    Id::Forkptyrouter,
    Id::Http,
    Id::HttpSocket,
    Id::HttpSubscriptionServer,
    Id::Http11Socket,
    Id::Https,
    Id::HttpsSocket,
    Id::Https2,
    Id::RawSocket,
    Id::Rawrouter,
    Id::ScgiSocket,
    Id::SharedSocket,
    Id::Socket,
    Id::SuwsgiSocket,
    Id::Sslrouter,
    Id::Sslrouter2,
    Id::Stats,
    Id::UwsgiSocket,
];
/// CAP_NET_BIND_SERVICE (capabilities(7)).
const NET_BIND_SERVICE: u64 = 1 << 10;
/// The kernel's setting for the first port that every user may bind (ip(7)).
const FIRST_FREE: &[u8] = b"/proc/sys/net/ipv4/ip_unprivileged_port_start";
/// Its default.
const USUAL: u16 = 1024;

pub fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let plan = &scene.vassal.plan;
    let (Some(host), Payload::Uwsgi { entries, .. }) = (scene.host, &plan.payload) else {
        return Vec::new();
    };
    let capabilities = plan.identity.capabilities.map_or(0, |each| each.bits());
    let is_root = host.user_of(&plan.identity).is_none_or(|user| user.uid == 0);
    if is_root || capabilities & NET_BIND_SERVICE != 0 {
        return Vec::new();
    }
    let first = first_free(host);
    let is_bound_by_root = |at: usize| plan.listeners.iter().any(|listener| listener.entry == at);
    let low = entries.iter().enumerate().filter(|(at, entry)| {
        let is_low = port(entry).is_some_and(|port| port != 0 && port < first);
        is_low && !is_bound_by_root(*at)
    });
    low.map(|(_, entry)| remark(entry, first).at(Some(&entry.origin), scene))
        .collect()
}

fn remark(entry: &Entry, first: u16) -> Remark {
    let option = printable(&entry.key);
    let value = quote(entry.value.as_deref().unwrap_or_default());
    let message =
        format!("{option} = {value}: uWSGI binds it as the app's user, who may bind no port below {first}");
    let hint = match entry.id() {
        Some(Id::SharedSocket) => "a start binds shared sockets as root where each has a numeric address; or add cap = net_bind_service".to_owned(),
        _ if is_listening(entry) => {
            "a start binds a TCP address in numbers as root; or add cap = net_bind_service".to_owned()
        }
        _ => format!("write shared-socket = ADDRESS and {option} = =0, or add cap = net_bind_service"),
    };
    Remark::warning(Rule::LowPort, message, hint)
}

fn first_free(host: &Host) -> u16 {
    let text = host.read(FIRST_FREE).unwrap_or_default();
    let number = std::str::from_utf8(&text)
        .ok()
        .and_then(|text| text.trim().parse().ok());
    number.unwrap_or(USUAL)
}

/// The port of the address that the value begins with.
fn port(entry: &Entry) -> Option<u16> {
    if !BIND.iter().any(|id| entry.is(*id)) {
        return None;
    }
    let value = std::str::from_utf8(entry.value.as_deref()?).ok()?;
    let mut parts = value.split(',');
    let address = match entry.key.ends_with(b"2") {
        true => parts.find_map(|part| part.strip_prefix("addr="))?,
        false => parts.next()?,
    };
    let (_, port) = address.rsplit_once(':')?;
    port.parse().ok()
}
