//! Decides whether uWSGI gets a worker with this configuration, which reports when it accepts requests (byte 5). What
//! other processes report was measured with 2.0.21 and 2.0.28: routers, subscription servers, cron, daemons, spoolers,
//! mules, zerg pools, an Emperor, and a uWSGI in cheap mode report only that everything is loaded (byte 1).

use crate::language::evaluation::entry::{Entry, has, last};
use crate::options::flag::is_on;
use crate::options::id::Id;

/// Options that give workers something to accept connections from.
const SOCKETS: [Id; 13] = [
    Id::Socket,
    Id::UwsgiSocket,
    Id::SuwsgiSocket,
    Id::HttpSocket,
    Id::HttpsSocket,
    Id::Http11Socket,
    Id::FastcgiSocket,
    Id::FastcgiNphSocket,
    Id::ScgiSocket,
    Id::ScgiNphSocket,
    Id::RawSocket,
    Id::PuwsgiSocket,
    Id::Zerg,
];

/// The HTTP routers; each opens a socket for workers itself unless an option says where it routes to.
const HTTP_ROUTERS: [Id; 4] = [Id::Http, Id::Httprouter, Id::Https, Id::Https2];
const HTTP_TARGETS: [Id; 8] = [
    Id::HttpTo,
    Id::HttpSubscriptionServer,
    Id::HttpUseBase,
    Id::HttpUseCache,
    Id::HttpUseCodeString,
    Id::HttpUsePattern,
    Id::HttpUseSocket,
    Id::HttpZerg,
];

/// Whether a worker will accept requests as soon as everything is loaded.
pub(crate) fn accept(entries: &[Entry]) -> bool {
    let value = |id| last(entries, &[id]).map(|entry| entry.value.as_deref());
    // In cheap mode the first request starts the workers.
    let is_cheap = value(Id::Cheap).is_some_and(|value| is_on(value.unwrap_or_default()));
    let is_without = value(Id::Processes).flatten() == Some(b"0");
    // Another program replaces the worker, and reports nothing.
    let is_replaced = has(entries, &[Id::WorkerExec, Id::WorkerExec2]);
    let is_served = has(entries, &SOCKETS) || (has(entries, &HTTP_ROUTERS) && !has(entries, &HTTP_TARGETS));
    is_served && !is_cheap && !is_without && !is_replaced
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Origin;

    #[test]
    fn only_a_uwsgi_with_workers_says_that_it_accepts() {
        const CASES: &[(&str, bool)] = &[
            ("http-socket=:80", true),
            ("socket=/run/x.sock processes=2 cheaper=1", true),
            ("http-socket=:80 cheap=true", false),
            ("http-socket=:80 cheap=false", true),
            ("http-socket=:80 processes=0", false),
            ("http-socket=:80 processes=0 workers=2", true),
            ("http=:80", true),
            ("http=:80 http-to=:81", false),
            ("http=:80 http-subscription-server=:82", false),
            ("http=:80 http-to=:81 socket=:83", true),
            ("http=:80 http-use-pattern=/x/%s", false),
            ("fastrouter=:80", false),
            ("cron=-1 attach-daemon=x", false),
            ("spooler=/x mule=true", false),
            ("emperor=/x", false),
            ("emperor=/x socket=:80", true),
            ("zergpool=/x:y", false),
            ("http-socket=:80 worker-exec=/bin/app", false),
        ];
        for (text, expected) in CASES {
            let entry = |word: &str| {
                let (key, value) = word.split_once('=').unwrap();
                Entry::new(key.into(), Some(value.into()), Origin::CommandLine)
            };
            let entries: Vec<Entry> = text.split(' ').map(entry).collect();
            assert_eq!(accept(&entries), *expected, "{text}");
        }
    }
}
