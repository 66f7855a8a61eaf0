//! The `[vassal]` section, which uWSGI ignores: what it has no word for.

use crate::diagnostic::{Diagnostic, Origin};
use crate::language::evaluation::entry::Entry;
use crate::options::flag::is_on;
use std::time::Duration;
use vassal_escape::printable;

/// How it is known that the app serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// It was started; uWSGI says that it has loaded everything (byte 1), which is all there is to hear of one without workers.
    Started,
    /// uWSGI's first worker accepts requests (byte 5).
    Accepting,
    /// It sends `READY=1` to `$NOTIFY_SOCKET` (`notify = true`).
    Notify,
    /// It accepts connections at this address (`ready = :8000`).
    Connect(String),
}

/// The settings, with their defaults.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `command`: the program in uWSGI's place, as a shell command, and where it stands.
    pub command: Option<(Vec<u8>, Origin)>,
    /// `notify`, `ready`; `None`: what the payload is known to do.
    pub ready: Option<Ready>,
    /// `stop-signal`: what stops `command`.
    pub stop_signal: i32,
    /// `reload-signal`: what makes `command` read its configuration again.
    pub reload_signal: Option<i32>,
    /// `mountpoint-interval`: the time between two probes of a mountpoint; `None`: what its kind needs.
    pub interval: Option<Duration>,
    /// `mountpoint-deadline`: how long a filesystem may leave a request unanswered; `None`: what its kind may.
    pub deadline: Option<Duration>,
    /// `hook-timeout`: how long one hook may take.
    pub hook_limit: Duration,
    /// `stop-timeout`: how long the app may take to stop before it is killed.
    pub stop_limit: Duration,
    /// `atexit-timeout`: how long the as-user-atexit hooks may take, all together.
    pub atexit_limit: Duration,
    /// `trust-root`: whether root's commands run in a root directory that is not root's alone.
    pub trust_root: bool,
    /// `seccomp`: whether the app is denied the system calls that no app needs.
    pub is_filtered: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            command: None,
            ready: None,
            stop_signal: SIGTERM,
            reload_signal: None,
            interval: None,
            deadline: None,
            // What uWSGI's own waits have (wait-for-fs-timeout, T2); it has no limit for commands (EXE-1).
            hook_limit: Duration::from_secs(60),
            // emperor-curse-tolerance (EMP-7).
            stop_limit: Duration::from_secs(30),
            atexit_limit: Duration::from_secs(30),
            trust_root: false,
            is_filtered: true,
        }
    }
}

const SIGTERM: i32 = 15;
/// Below this a hang can no longer be told from a busy machine.
const SHORTEST_DEADLINE: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Puts a value into the settings; the origin is that of its line. The error is what is wrong with the value.
type Take = fn(&mut Settings, &[u8], &Origin) -> Result<(), String>;

/// The settings that exist.
#[rustfmt::skip] // one setting, one line
pub const SETTINGS: &[(&str, Take)] = &[
    ("command", command),
    ("notify", |all, value, _| { all.ready = is_on(value).then_some(Ready::Notify); Ok(()) }),
    ("ready", |all, value, _| { all.ready = Some(ready(value)?); Ok(()) }),
    ("stop-signal", |all, value, _| { all.stop_signal = signal(value)?; Ok(()) }),
    ("reload-signal", |all, value, _| { all.reload_signal = Some(signal(value)?); Ok(()) }),
    ("mountpoint-interval", |all, value, _| { all.interval = Some(duration(value)?); Ok(()) }),
    ("mountpoint-deadline", |all, value, _| { all.deadline = Some(deadline(value)?); Ok(()) }),
    ("hook-timeout", |all, value, _| { all.hook_limit = duration(value)?; Ok(()) }),
    ("stop-timeout", |all, value, _| { all.stop_limit = duration(value)?; Ok(()) }),
    ("atexit-timeout", |all, value, _| { all.atexit_limit = duration(value)?; Ok(()) }),
    ("trust-root", |all, value, _| { all.trust_root = is_on(value); Ok(()) }),
    ("seccomp", |all, value, _| { all.is_filtered = on_or_off(value)?; Ok(()) }),
];

impl Settings {
    /// Makes sense of the evaluated `[vassal]` section.
    ///
    /// # Errors
    /// An unknown setting, or a value it does not take.
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
        Ok(settings)
    }
}

fn command(settings: &mut Settings, value: &[u8], origin: &Origin) -> Result<(), String> {
    if value.is_empty() {
        return Err("no command given".into());
    }
    settings.command = Some((value.to_vec(), origin.clone()));
    Ok(())
}

/// A protection is not lost by a typing error, so only the words of systemd.syntax(7) are taken.
fn on_or_off(value: &[u8]) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_slice() {
        b"on" | b"true" | b"yes" | b"1" => Ok(true),
        b"off" | b"false" | b"no" | b"0" => Ok(false),
        _ => Err(format!("'{}' is neither 'on' nor 'off'", printable(value))),
    }
}

fn deadline(value: &[u8]) -> Result<Duration, String> {
    match duration(value)? {
        time if time < SHORTEST_DEADLINE => Err("at least 0.1 s: a busy machine needs that".into()),
        time => Ok(time),
    }
}

fn duration(value: &[u8]) -> Result<Duration, String> {
    let text = String::from_utf8_lossy(value);
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let unit = match text[digits..].trim() {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "min" => 60.0,
        _ => return Err(format!("'{text}' is no time (a number, then ms, s or min)")),
    };
    let seconds = text[..digits]
        .parse::<f64>()
        .map_err(|_| format!("'{text}' is no time (a number, then ms, s or min)"))?;
    let time = Duration::try_from_secs_f64(seconds * unit).unwrap_or(LONGEST);
    if time.is_zero() || time > LONGEST {
        return Err(format!("'{text}' is out of range (above 0, at most a day)"));
    }
    Ok(time)
}

fn signal(value: &[u8]) -> Result<i32, String> {
    const NAMES: [(&str, i32); 7] = [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("KILL", 9),
        ("USR1", 10),
        ("USR2", 12),
        ("TERM", SIGTERM),
    ];
    let text = String::from_utf8_lossy(value).to_ascii_uppercase();
    let name = text.strip_prefix("SIG").unwrap_or(&text);
    if let Some((_, number)) = NAMES.into_iter().find(|(known, _)| *known == name) {
        return Ok(number);
    }
    match name.parse() {
        Ok(number @ 1..=64) => Ok(number),
        _ => Err(format!(
            "'{text}' is no signal (HUP, INT, QUIT, TERM, USR1, USR2, KILL or a number)"
        )),
    }
}

fn ready(value: &[u8]) -> Result<Ready, String> {
    match value {
        b"started" => Ok(Ready::Started),
        b"accepting" => Ok(Ready::Accepting),
        _ => address(value).map(Ready::Connect),
    }
}

/// `:PORT` (this machine), `IP:PORT`, `[IPv6]:PORT` or the path of a unix socket.
fn address(value: &[u8]) -> Result<String, String> {
    let text = String::from_utf8_lossy(value).into_owned();
    if text.starts_with('/') {
        return Ok(text);
    }
    let full = if text.starts_with(':') {
        format!("127.0.0.1{text}")
    } else {
        text.clone()
    };
    match full.parse::<std::net::SocketAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => Err(format!(
            "'{text}' is no address (:PORT, IP:PORT or a path), nor 'started' or 'accepting'"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(lines: &[(&str, &str)]) -> Result<Settings, Diagnostic> {
        let entries: Vec<_> = lines
            .iter()
            .map(|(key, value)| {
                Entry::new(
                    key.as_bytes().to_vec(),
                    Some(value.as_bytes().to_vec()),
                    Origin::CommandLine,
                )
            })
            .collect();
        Settings::from_entries(&entries)
    }

    #[test]
    fn times_have_units() {
        let settings = parse(&[
            ("mountpoint-deadline", "1500ms"),
            ("stop-timeout", "2min"),
            ("hook-timeout", "2.5"),
        ]);
        let settings = settings.unwrap();
        assert_eq!(settings.deadline, Some(Duration::from_millis(1500)));
        assert_eq!(settings.interval, None);
        assert_eq!(settings.stop_limit, Duration::from_secs(120));
        assert_eq!(settings.hook_limit, Duration::from_millis(2500));
    }

    #[test]
    fn what_it_does_not_take_is_refused_with_the_reason() {
        const CASES: &[(&str, &str, &str)] = &[
            ("comand", "x", "unknown setting 'comand'"),
            ("stop-timeout", "soon", "is no time"),
            ("stop-timeout", "0", "out of range"),
            ("stop-signal", "WHO", "is no signal"),
            ("ready", "localhost", "is no address"),
            ("command", "", "no command given"),
            ("mountpoint-deadline", "50ms", "at least 0.1 s"),
            ("seccomp", "of", "'of' is neither 'on' nor 'off'"),
            ("seccomp", "", "is neither 'on' nor 'off'"),
        ];
        for (key, value, message) in CASES {
            let error = parse(&[(key, value)]).unwrap_err().to_string();
            assert!(error.contains(message), "{key} = {value}: {error}");
        }
    }

    #[test]
    fn the_filter_is_on_unless_it_is_switched_off() {
        for (lines, is_filtered) in [
            (&[][..], true),
            (&[("seccomp", "On")], true),
            (&[("seccomp", "off")], false),
        ] {
            assert_eq!(parse(lines).unwrap().is_filtered, is_filtered, "{lines:?}");
        }
    }

    #[test]
    fn a_port_alone_is_on_this_machine() {
        assert_eq!(
            parse(&[("ready", ":8000")]).unwrap().ready,
            Some(Ready::Connect("127.0.0.1:8000".into()))
        );
        assert_eq!(parse(&[("stop-signal", "SIGINT")]).unwrap().stop_signal, 2);
    }
}
