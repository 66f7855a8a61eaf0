//! Whether a configuration gives uWSGI a worker that says when it accepts requests (byte 5). What each kind says to its Emperor was
//! measured with 2.0.21 and 2.0.28: a router, a subscription server, cron, daemons, spoolers, mules, a zerg pool, an Emperor and a
//! uWSGI that is cheap say no more than byte 1, that they have loaded everything.

use crate::language::evaluation::entry::Entry;
use crate::options::flag::is_on;

/// Options that give the workers something to accept on.
const SOCKETS: [&[u8]; 17] = [
    b"socket",
    b"uwsgi-socket",
    b"suwsgi-socket",
    b"ssl-socket",
    b"http-socket",
    b"https-socket",
    b"http11-socket",
    b"https11-socket",
    b"fastcgi-socket",
    b"fastcgi-nph-socket",
    b"scgi-socket",
    b"scgi-nph-socket",
    b"raw-socket",
    b"puwsgi-socket",
    b"zerg",
    b"zeromq",
    b"zmq",
];

/// The HTTP router, which makes a socket for workers of its own where nothing says whom it routes to.
const HTTP_ROUTERS: [&[u8]; 4] = [b"http", b"httprouter", b"https", b"https2"];
const HTTP_TARGETS: [&[u8]; 8] = [
    b"http-to",
    b"http-subscription-server",
    b"http-use-base",
    b"http-use-cache",
    b"http-use-code-string",
    b"http-use-pattern",
    b"http-use-socket",
    b"http-zerg",
];

/// Whether a worker will accept requests as soon as everything is loaded.
pub(crate) fn accept(entries: &[Entry]) -> bool {
    let last = |names: &[&[u8]]| {
        let mut found = entries
            .iter()
            .rev()
            .filter(|entry| names.contains(&entry.key.as_slice()));
        found.next().map(|entry| entry.value.as_deref())
    };
    let has = |names: &[&[u8]]| last(names).is_some();
    // Workers are started by the first request.
    let is_cheap = last(&[b"cheap"]).is_some_and(|value| value.is_none_or(is_on));
    let is_without = last(&[b"processes", b"workers"]).flatten() == Some(b"0");
    // Another program takes the worker's place, and says nothing.
    let is_replaced = has(&[b"worker-exec", b"worker-exec2"]);
    let is_served = has(&SOCKETS) || (has(&HTTP_ROUTERS) && !has(&HTTP_TARGETS));
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
                Entry {
                    key: key.into(),
                    value: Some(value.into()),
                    origin: Origin::CommandLine,
                }
            };
            let entries: Vec<Entry> = text.split(' ').map(entry).collect();
            assert_eq!(accept(&entries), *expected, "{text}");
        }
    }
}
