//! How a reload is done: by the next app beside the present one, wherever two can run side by side, or by the present one in
//! place; and the line that decides.

use crate::diagnostic::{Origin, quote};
use crate::hooks::action::Action;
use crate::language::evaluation::entry::Entry;
use crate::options::id::Id;
use crate::options::lookup::find;
use crate::options::plugins::plugin_exclusive;
use crate::vassal::address::Address;
use crate::vassal::payload::Payload;
use crate::vassal::plan::Plan;
use crate::vassal::settings::{Ready, Reload};
use crate::vassal::socket::is_listening;

/// How, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// How a reload is done.
    pub reload: Reload,
    /// Why not the other way.
    pub reason: String,
    /// The line that decides, where one does.
    pub origin: Option<Origin>,
}

impl Decision {
    fn new(reload: Reload, reason: impl Into<String>, origin: Option<&Origin>) -> Self {
        Self {
            reload,
            reason: reason.into(),
            origin: origin.cloned(),
        }
    }
}

/// How a reload of the vassal of `plan` is done.
pub fn decide(plan: &Plan) -> Decision {
    if let Some((reason, origin)) = impossible(plan) {
        return Decision::new(Reload::InPlace, reason, origin);
    }
    if let Some((reload, origin)) = &plan.settings.reload {
        return Decision::new(*reload, format!("reload = {reload} in [vassal]"), Some(origin));
    }
    match forbidden(plan) {
        Some((reason, origin)) => Decision::new(Reload::InPlace, reason, origin),
        None => Decision::new(Reload::Overlap, "two can run side by side", None),
    }
}

type Obstacle<'a> = (String, Option<&'a Origin>);

/// What no wish of the file's gets over.
fn impossible(plan: &Plan) -> Option<Obstacle<'_>> {
    let operations = plan.operations.iter();
    let mut logs = operations.filter(|step| matches!(step.action, Action::OpenLog(_)));
    let obstacle = |reason: &str| Some((reason.to_owned(), None));
    match plan {
        _ if !plan.namespaces.pid => {
            obstacle("the next app could not be put beside this one: emperor-use-clone has no pid")
        }
        _ if !plan.key_files.is_empty() && !plan.owns_mounts => {
            obstacle("the copies of keys are mounted for one process: emperor-use-clone has no fs")
        }
        _ if plan.changes_root => logs.next().map(|step| {
            let option = quote(&step.option);
            let reason = format!("{option}: the log is not below the app's root directory");
            (reason, step.origin.as_ref())
        }),
        _ => None,
    }
}

/// What two apps of this file cannot share.
fn forbidden(plan: &Plan) -> Option<Obstacle<'_>> {
    let mut pidfiles = plan.operations.iter().filter(|step| is_pidfile(&step.action));
    let pidfile = pidfiles
        .find_map(|step| Some((exclusive(&step.option)?, &step.option, step.origin.as_ref())))
        .map(|(why, option, origin)| (format!("{}: {why}", quote(option)), origin));
    pidfile.or_else(|| match &plan.payload {
        Payload::Uwsgi { entries, .. } => of_uwsgi(entries, plan),
        Payload::Command { .. } => of_command(plan),
    })
}

fn is_pidfile(action: &Action) -> bool {
    matches!(action, Action::OpenPidfile(_))
}

fn of_uwsgi<'a>(entries: &'a [Entry], plan: &Plan) -> Option<Obstacle<'a>> {
    let is_bound = |at: usize| plan.listeners.iter().any(|listener| listener.entry == at);
    let why = |(at, entry): (usize, &Entry)| match is_listening(entry) {
        true if is_bound(at) => None,
        true => Some("uWSGI binds it itself, which two cannot"),
        false if entry.is(Id::Cache2) && !holds(entry, b"store=") => None,
        false => exclusive(&entry.key),
    };
    entries.iter().enumerate().find_map(|(at, entry)| {
        let why = why((at, entry))?;
        Some((format!("{}: {why}", quote(&entry.key)), Some(&entry.origin)))
    })
}

fn holds(entry: &Entry, part: &[u8]) -> bool {
    let value = entry.value.as_deref().unwrap_or_default();
    value.windows(part.len()).any(|window| window == part)
}

fn of_command(plan: &Plan) -> Option<Obstacle<'_>> {
    let obstacle = |reason: &str| Some((reason.to_owned(), None));
    let is_kept = |address: &String| is_kept(plan, address);
    match &plan.ready {
        _ if plan.settings.reload_signal.is_some() => {
            obstacle("it reloads itself: reload-signal in [vassal]")
        }
        _ if plan.listeners.is_empty() => {
            obstacle("it has no 'socket' in [vassal], and two could not bind what it binds itself")
        }
        Ready::Started => obstacle("it does not say when it serves: ready = started in [vassal]"),
        Ready::Connect(address) | Ready::Http(address, _) if !is_kept(address) => Some((
            format!("'ready' asks at {address}, which is no 'socket' of it: the present app would answer"),
            None,
        )),
        Ready::Accepting | Ready::Notify | Ready::Connect(_) | Ready::Http(..) => None,
    }
}

/// Whether `address`, to be connected to, leads to a socket that was bound for the app.
pub fn is_kept(plan: &Plan, address: &str) -> bool {
    plan.listeners.iter().any(|listener| match &listener.address {
        Address::Unix(path) => path.as_slice() == address.as_bytes(),
        Address::Tcp(bound) => address.parse().is_ok_and(|asked: std::net::SocketAddr| {
            bound.port() == asked.port() && (bound.ip() == asked.ip() || bound.ip().is_unspecified())
        }),
    })
}

/// Why two apps with the option `name` cannot run side by side, where they cannot.
pub fn exclusive(name: &[u8]) -> Option<&'static str> {
    let own = find(name).and_then(|row| row.exclusive);
    own.or_else(|| plugin_exclusive(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emperor::name::VassalName;
    use crate::emperor::settings::Emperor;
    use crate::machine::fake::FakeWorld;
    use crate::vassal::read::read;

    fn decided(text: &str) -> (Reload, String, Option<String>) {
        let world = FakeWorld::with(&[("u.ini", text)]);
        let mut emperor = Emperor::default();
        (emperor.namespaces.mount, emperor.namespaces.pid) = (true, true);
        let vassal = read(&emperor, &VassalName::parse(b"u").unwrap(), &world).unwrap();
        let Decision {
            reload,
            reason,
            origin,
        } = decide(&vassal.plan);
        (reload, reason, origin.map(|origin| origin.to_string()))
    }

    #[test]
    fn the_line_that_two_apps_cannot_share_decides() {
        const OVERLAP: &[&str] = &[
            "[uwsgi]\nuid = u\nhttp-socket = :80\npsgi = a\nprocesses = 4\ncheaper = 1\nlazy-apps =\n",
            "[uwsgi]\nuid = u\nsocket = /run/a.sock\nshared-socket = :80\ncache2 = name=a,items=10\n",
            "[uwsgi]\nuid = u\nplugin = http\nhttp = :80\nhttps = [::1]:443,/c,/k\n",
            "[vassal]\ncommand = a\nsocket = :80\n",
            "[vassal]\ncommand = a\nsocket = :80\nnotify = true\n",
            "[vassal]\ncommand = a\nsocket = :80\nready = http://:80/up\n",
            "[vassal]\ncommand = a\nsocket = :80\nreload-signal = HUP\nreload = overlap\n",
            "[uwsgi]\nuid = u\nhttp-socket = :80\ncron = 1 1 1 1 1 a\n[vassal]\nreload = overlap\n",
        ];
        for text in OVERLAP {
            assert_eq!(decided(text).0, Reload::Overlap, "{text}: {:?}", decided(text));
        }
        const IN_PLACE: &[(&str, &str, Option<&str>)] = &[
            (
                "[uwsgi]\nuid = u\nhttp = localhost:80\n",
                "'http': uWSGI binds",
                Some("u.ini:3"),
            ),
            (
                "[uwsgi]\nuid = u\nsocket = a.sock\n",
                "'socket': uWSGI binds",
                Some("u.ini:3"),
            ),
            (
                "[uwsgi]\nuid = u\nhttps-socket = :80\n",
                "'https-socket': uWSGI binds",
                Some("u.ini:3"),
            ),
            (
                "[uwsgi]\nuid = u\nhttp-socket = :80\nreuse-port =\n",
                "'http-socket': uWSGI binds",
                Some("u.ini:3"),
            ),
            (
                "[uwsgi]\nuid = u\nhttp-socket = :80\nspooler = /s\n",
                "'spooler': the spoolers",
                Some("u.ini:4"),
            ),
            (
                "[uwsgi]\nuid = u\nhttp-socket = :80\ncache2 = name=a,store=/c\n",
                "'cache2': both",
                Some("u.ini:4"),
            ),
            (
                "[uwsgi]\nuid = u\nhttp-socket = :80\npidfile = /p\n",
                "'pidfile': the file",
                Some("u.ini:4"),
            ),
            (
                "[uwsgi]\nuid = u\n[vassal]\nreload = in-place\n",
                "reload = in-place",
                Some("u.ini:4"),
            ),
            (
                "[vassal]\ncommand = a\nreload-signal = HUP\nsocket = :80\n",
                "reload-signal",
                None,
            ),
            ("[vassal]\ncommand = a\n", "no 'socket'", None),
            (
                "[vassal]\ncommand = a\nsocket = :80\nready = started\n",
                "ready = started",
                None,
            ),
            (
                "[vassal]\ncommand = a\nsocket = :80\nready = :81\n",
                "127.0.0.1:81",
                None,
            ),
            (
                "[uwsgi]\nuid = u\nchroot = /r\nlogto = /l\n[vassal]\nreload = overlap\n",
                "'logto': the log",
                Some("u.ini:4"),
            ),
        ];
        for (text, reason, line) in IN_PLACE {
            let (reload, seen, origin) = decided(text);
            assert_eq!(reload, Reload::InPlace, "{text}");
            assert!(seen.contains(reason), "{text}: {seen}");
            assert_eq!(origin.as_deref(), *line, "{text}");
        }
    }

    #[test]
    fn an_alias_is_as_exclusive_as_its_option() {
        for row in crate::options::table::OPTIONS {
            let canonical = find(row.canonical.as_bytes()).unwrap();
            assert_eq!(row.exclusive, canonical.exclusive, "{}", row.name);
        }
    }
}
