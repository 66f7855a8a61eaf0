//! The section `[vassal]`, which uWSGI ignores: settings for which uWSGI has no option.

pub mod liveness;
mod values;

use crate::diagnostic::{Diagnostic, Origin};
use crate::language::evaluation::entry::Entry;
use crate::options::flag::is_on;
use crate::vassal::address::{Address, OnDemandSocket, SocketOwner, UnixOptions, parse};
use liveness::{HealthCheck, Watchdog};
use std::fmt;
use std::time::Duration;
use values::{SIGTERM, address, backlog, deadline, duration, failures, http, mode, on_or_off, signal, url};
use vassal_escape::printable;

/// How it is recognised that the app serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// It was started. A uWSGI without workers reports only that it has loaded everything (byte 1).
    Started,
    /// uWSGI's first worker accepts requests (byte 5).
    Accepting,
    /// It sends `READY=1` to `$NOTIFY_SOCKET` (`notify = true`).
    Notify,
    /// It accepts connections at this address (`ready = :8000`).
    Connect(String),
    /// It answers a GET of this path at this address with status 200 (`ready = http://:8000/health`).
    Http(String, String),
}

/// How a reload is done (`reload`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// The next app starts beside the present one.
    Overlap,
    /// The present app reloads itself.
    InPlace,
}

impl fmt::Display for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reload::Overlap => "overlap",
            Reload::InPlace => "in-place",
        })
    }
}

/// A socket that is bound for `command`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// Its name in `$LISTEN_FDNAMES`.
    pub name: String,
    /// The address on which it listens.
    pub address: Address,
    /// The line.
    pub origin: Origin,
}

/// The settings, with their defaults.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `command`: the program that replaces uWSGI, as a shell command; and its line.
    pub command: Option<(Vec<u8>, Origin)>,
    /// `socket`, `socket-mode`, `socket-owner`, `socket-backlog`: the sockets that are bound for `command`.
    pub sockets: Vec<Socket>,
    /// See `sockets`.
    pub unix: UnixOptions,
    /// See `sockets`.
    pub backlog: i32,
    /// The socket of a vassal on demand; set by emperor.ini.
    pub on_demand_socket: Option<OnDemandSocket>,
    /// `reload`, and its line; `None`: overlapping whenever two apps can run side by side.
    pub reload: Option<(Reload, Origin)>,
    /// `notify`, `ready`; `None`: what is known about the payload.
    pub ready: Option<Ready>,
    /// `stop-signal`: the signal that stops `command`.
    pub stop_signal: i32,
    /// `reload-signal`: the signal on which `command` reads its configuration again.
    pub reload_signal: Option<i32>,
    /// `health`, `health-interval`, `health-deadline`, `health-failures`: how the app is asked for its health.
    pub health: HealthCheck,
    /// `watchdog`: how often `command` has to send `WATCHDOG=1`.
    pub watchdog: Option<Watchdog>,
    /// `mountpoint-interval`: the time between two probes of a mountpoint; `None`: the default of its filesystem type.
    pub interval: Option<Duration>,
    /// `mountpoint-deadline`: how long a filesystem may leave a request unanswered; `None`: the default of its type.
    pub deadline: Option<Duration>,
    /// `hook-timeout`: how long one hook may take.
    pub hook_limit: Duration,
    /// `stop-timeout`: how long the app may take to stop before it is killed.
    pub stop_limit: Duration,
    /// `atexit-timeout`: how long all as-user-atexit hooks together may take.
    pub atexit_limit: Duration,
    /// `trust-root`: whether root's commands run even in a root directory that others than root can change.
    pub trust_root: bool,
    /// `seccomp`: whether the filter denies the app system calls that no app needs.
    pub is_filtered: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            command: None,
            sockets: Vec::new(),
            unix: UnixOptions::default(),
            backlog: SOMAXCONN,
            on_demand_socket: None,
            reload: None,
            ready: None,
            stop_signal: SIGTERM,
            reload_signal: None,
            health: HealthCheck::default(),
            watchdog: None,
            interval: None,
            deadline: None,
            // As for uWSGI's own waits (wait-for-fs-timeout, T2); uWSGI has no limit for commands (EXE-1).
            hook_limit: Duration::from_secs(60),
            // As emperor-curse-tolerance (EMP-7).
            stop_limit: Duration::from_secs(30),
            atexit_limit: Duration::from_secs(30),
            trust_root: false,
            is_filtered: true,
        }
    }
}

/// The kernel's default for the longest queue (net.core.somaxconn); systemd.socket(5) asks for more.
const SOMAXCONN: i32 = 4096;
/// The longest name of a socket (sd_listen_fds_with_names(3)).
const NAME_BYTES: usize = 255;
/// The name of a socket without one in the file.
const UNNAMED: &str = "listen";
/// The shortest limit: below it, an app that is busy or on a busy machine would look silent.
const SHORTEST_WATCHDOG: Duration = Duration::from_secs(1);
/// Puts a value into the settings; the origin is that of its line. The error says what is wrong with the value.
type Take = fn(&mut Settings, &[u8], &Origin) -> Result<(), String>;

/// All settings.
#[rustfmt::skip] // one setting, one line
pub const SETTINGS: &[(&str, Take)] = &[
    ("command", command),
    ("socket", |all, value, origin| { all.sockets.push(socket(value, origin)?); Ok(()) }),
    ("socket-mode", |all, value, _| { all.unix.mode = Some(mode(value)?); Ok(()) }),
    ("socket-owner", |all, value, origin| { all.unix.owner = Some(SocketOwner::of(value, origin)); Ok(()) }),
    ("socket-backlog", |all, value, _| { all.backlog = backlog(value)?; Ok(()) }),
    ("notify", |all, value, _| { all.ready = is_on(value).then_some(Ready::Notify); Ok(()) }),
    ("ready", |all, value, _| { all.ready = Some(ready(value)?); Ok(()) }),
    ("stop-signal", |all, value, _| { all.stop_signal = signal(value)?; Ok(()) }),
    ("reload", |all, value, origin| { all.reload = Some((reload(value)?, origin.clone())); Ok(()) }),
    ("reload-signal", |all, value, _| { all.reload_signal = Some(signal(value)?); Ok(()) }),
    ("health", |all, value, origin| { all.health.url = Some((url(value)?, origin.clone())); Ok(()) }),
    ("health-interval", |all, value, _| { all.health.interval = deadline(value)?; Ok(()) }),
    ("health-deadline", |all, value, _| { all.health.deadline = deadline(value)?; Ok(()) }),
    ("health-failures", |all, value, _| { all.health.failures = failures(value)?; Ok(()) }),
    ("watchdog", |all, value, origin| { all.watchdog = Some(watchdog(value, origin)?); Ok(()) }),
    ("mountpoint-interval", |all, value, _| { all.interval = Some(duration(value)?); Ok(()) }),
    ("mountpoint-deadline", |all, value, _| { all.deadline = Some(deadline(value)?); Ok(()) }),
    ("hook-timeout", |all, value, _| { all.hook_limit = duration(value)?; Ok(()) }),
    ("stop-timeout", |all, value, _| { all.stop_limit = duration(value)?; Ok(()) }),
    ("atexit-timeout", |all, value, _| { all.atexit_limit = duration(value)?; Ok(()) }),
    ("trust-root", |all, value, _| { all.trust_root = is_on(value); Ok(()) }),
    ("seccomp", |all, value, _| { all.is_filtered = on_or_off(value)?; Ok(()) }),
];

impl Settings {
    /// Interprets the evaluated section `[vassal]`.
    ///
    /// # Errors
    /// An unknown setting, or a wrong value.
    pub fn from_entries(entries: &[Entry]) -> Result<Self, Diagnostic> {
        let mut settings = Self::default();
        for entry in entries {
            let key = printable(&entry.key);
            let Some((_, take)) = SETTINGS.iter().find(|(name, _)| name.as_bytes() == entry.key) else {
                let message = format!("unknown setting '{key}' in [vassal]");
                let known: Vec<_> = SETTINGS.iter().map(|(name, _)| *name).collect();
                let hint = format!("known are {}", known.join(", "));
                return Err(Diagnostic::error(Some(entry.origin.clone()), message).with_hint(hint));
            };
            take(
                &mut settings,
                entry.value.as_deref().unwrap_or_default(),
                &entry.origin,
            )
            .map_err(|problem| Diagnostic::error(Some(entry.origin.clone()), format!("{key}: {problem}")))?;
        }
        match settings.health.url {
            None => refuse_without_health(entries).map_or(Ok(settings), Err),
            Some(_) => Ok(settings),
        }
    }
}

/// Refuses lines about `health` if there is no `health` line: a check that was intended would silently be missing.
fn refuse_without_health(entries: &[Entry]) -> Option<Diagnostic> {
    let entry = entries.iter().find(|entry| entry.key.starts_with(b"health-"))?;
    let key = String::from_utf8_lossy(&entry.key);
    let message = format!("{key}: nothing is asked, as there is no 'health'");
    let hint = "write health = http://ADDRESS/PATH, or leave it out";
    Some(Diagnostic::error(Some(entry.origin.clone()), message).with_hint(hint))
}

fn command(settings: &mut Settings, value: &[u8], origin: &Origin) -> Result<(), String> {
    if value.is_empty() {
        return Err("no command given".into());
    }
    settings.command = Some((value.to_vec(), origin.clone()));
    Ok(())
}

fn watchdog(value: &[u8], origin: &Origin) -> Result<Watchdog, String> {
    match duration(value) {
        _ if value == b"off" => Ok(Watchdog::Off),
        Ok(time) if time < SHORTEST_WATCHDOG => Err("at least 1 s: a busy machine needs that".into()),
        Ok(time) => Ok(Watchdog::Within(time, origin.clone())),
        Err(problem) => Err(format!("{problem}, nor 'off'")),
    }
}

fn ready(value: &[u8]) -> Result<Ready, String> {
    match value {
        b"started" => Ok(Ready::Started),
        b"accepting" => Ok(Ready::Accepting),
        _ => match value.strip_prefix(b"http://") {
            Some(rest) => http(rest).map(|(address, path)| Ready::Http(address, path)),
            None => {
                let more = |problem| format!("{problem}, nor 'started', 'accepting' or a http:// URL");
                address(value).map(Ready::Connect).map_err(more)
            }
        },
    }
}

/// `ADDRESS` or `NAME:ADDRESS`.
fn socket(value: &[u8], origin: &Origin) -> Result<Socket, String> {
    let unnamed = parse(value).map(|address| (UNNAMED.to_owned(), address));
    let named = || {
        let at = value.iter().position(|byte| *byte == b':')?;
        let name = std::str::from_utf8(&value[..at]).ok()?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_name = !name.is_empty() && name.len() <= NAME_BYTES && name.bytes().all(is_plain);
        let address = parse(&value[at + 1..])?;
        is_name.then(|| (name.to_owned(), address))
    };
    let (name, address) = unnamed.or_else(named).ok_or_else(|| {
        let shown = printable(value);
        format!(
            "'{shown}' is no address (:PORT, IP:PORT, [IPv6]:PORT or a path, with NAME: before it or not)"
        )
    })?;
    Ok(Socket {
        name,
        address,
        origin: origin.clone(),
    })
}

fn reload(value: &[u8]) -> Result<Reload, String> {
    match value {
        b"overlap" => Ok(Reload::Overlap),
        b"in-place" => Ok(Reload::InPlace),
        _ => Err(format!(
            "'{}' is neither 'overlap' nor 'in-place'",
            printable(value)
        )),
    }
}

#[cfg(test)]
mod tests;
