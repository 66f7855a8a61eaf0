//! Reads a vassal's part of the journal: its events, and the last lines of its app.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::process::{Command, Stdio};
use vassal_escape::printable;

/// The catalog, which explains each event and gives the remedy.
const CATALOG: &str = include_str!("../../../../units/vassal.catalog");
/// How many entries of the unit are read, from the end.
const LOOKED_AT: &str = "--lines=400";
/// Messages of journalctl(1) which say that there are entries it may not show.
const CLOSED: [&str; 2] = [
    "You are currently not seeing messages",
    "insufficient permissions",
];
/// The MESSAGE_ID of the event that a vassal serves.
const SERVING: &str = "432e5f4d6e814274ae80f8c9e6ea7cdf";
/// Matches lines of starts and reloads.
const STARTER: &str = "_COMM=vassal-enter";
/// The sender of systemd's own entries, which are not the app's words.
const SYSTEMD: &str = "systemd";

/// An entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its time, in microseconds since the epoch.
    pub usec: u64,
    /// Its message, printable.
    pub message: String,
    /// Its other fields.
    fields: BTreeMap<String, String>,
}

/// The end of a vassal's journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// The vassal's events (units/vassal.catalog), the oldest first.
    pub events: Vec<Entry>,
    /// Lines of its app and its daemons.
    pub words: Vec<Entry>,
    /// Whether there may be entries that the calling user may not see: only his own processes' are shown to him.
    pub is_closed: bool,
}

impl Journal {
    /// Reads the end of the journal of `unit`.
    ///
    /// # Errors
    /// When journalctl(1) cannot be run or fails.
    pub fn of(unit: &str) -> Result<Self, String> {
        let (entries, is_closed) = entries(&[LOOKED_AT, &format!("--unit={unit}")])?;
        Ok(Self {
            is_closed,
            ..Self::sorted(entries.into_iter())
        })
    }

    fn sorted(entries: impl Iterator<Item = Entry>) -> Self {
        let mut journal = Self::default();
        for entry in entries {
            let speaker = entry.field("_COMM");
            match (entry.field("MESSAGE_ID"), speaker) {
                (Some(id), _) if subject(id).is_some() => journal.events.push(entry),
                (_, Some(SYSTEMD)) => {}
                _ => journal.words.push(entry),
            }
        }
        journal
    }
}

/// The last reasons for failed starts and reloads since `begun` (in microseconds since the epoch), by unit.
///
/// # Errors
/// As [`Journal::of`].
pub fn refusals(begun: u64) -> Result<BTreeMap<String, String>, String> {
    // Makes journald write what was just logged. Only root may ask for that.
    entries(&["--sync"]).ok();
    let since = format!("--since=@{}", begun / 1_000_000);
    let (entries, _) = entries(&["--priority=err", &since, STARTER])?;
    let since = entries.into_iter().filter(|entry| entry.usec >= begun);
    let reason = |entry: Entry| Some((entry.field("_SYSTEMD_UNIT")?.to_owned(), entry.message));
    Ok(since.filter_map(reason).collect())
}

/// Whether the calling user may not read the system's journal. journalctl(1) does not say so to a user who has a
/// journal of his own.
fn is_systems_closed() -> bool {
    let files = [
        "/run/log/journal/*/system.journal",
        "/var/log/journal/*/system.journal",
    ];
    let found = files
        .iter()
        .filter_map(|pattern| glob::glob(pattern).ok())
        .flatten()
        .flatten();
    let is_denied = |path| File::open(path).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
    found.into_iter().any(is_denied)
}

/// The entries that journalctl(1) shows for `arguments`, and whether there may be others that it may not show.
fn entries(arguments: &[&str]) -> Result<(Vec<Entry>, bool), String> {
    let mut command = Command::new("journalctl");
    command
        .args(["--no-pager", "--output=json"])
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    let output = command
        .output()
        .map_err(|error| format!("cannot run 'journalctl': {error}"))?;
    let why = String::from_utf8_lossy(&output.stderr);
    let is_closed = CLOSED.iter().any(|closed| why.contains(closed)) || is_systems_closed();
    if !output.status.success() && !is_closed {
        return Err(format!("journalctl: {}", why.trim()));
    }
    let lines = output.stdout.split(|byte| *byte == b'\n');
    Ok((lines.filter_map(entry).collect(), is_closed))
}

impl Entry {
    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// Whether the event is a fault. That a vassal serves is none, even after a restart.
    pub fn is_bad(&self) -> bool {
        self.field("MESSAGE_ID") != Some(SERVING)
    }

    /// The catalog's explanation of the event in one line: what it means and what helps.
    pub fn explanation(&self) -> Option<String> {
        let text = entry_of(self.field("MESSAGE_ID")?)?;
        let (_, body) = text.split_once("\n\n")?;
        Some(body.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// The catalog's entry for `id`.
fn entry_of(id: &str) -> Option<&'static str> {
    let (_, rest) = CATALOG.split_once(&format!("-- {id}\n"))?;
    Some(rest.split("\n-- ").next().unwrap_or(rest))
}

fn subject(id: &str) -> Option<&'static str> {
    entry_of(id)?
        .lines()
        .find_map(|line| line.strip_prefix("Subject: "))
}

fn entry(line: &[u8]) -> Option<Entry> {
    let fields: BTreeMap<String, Value> = serde_json::from_slice(line).ok()?;
    let text = |value: &Value| match value {
        Value::String(text) => printable(text.as_bytes()),
        // journalctl shows values that are not UTF-8 or contain control characters as lists of bytes.
        Value::Array(bytes) => {
            let bytes = bytes.iter().filter_map(Value::as_u64);
            printable(
                &bytes
                    .filter_map(|byte| u8::try_from(byte).ok())
                    .collect::<Vec<_>>(),
            )
        }
        _ => String::new(),
    };
    let fields: BTreeMap<String, String> = fields
        .iter()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect();
    Some(Entry {
        usec: fields.get("__REALTIME_TIMESTAMP")?.parse().ok()?,
        message: fields.get("MESSAGE")?.clone(),
        fields,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_from_words_and_explained() {
        let lines = [
            r#"{"__REALTIME_TIMESTAMP":"5","MESSAGE":"/app dead","MESSAGE_ID":"363e9edddcee41299bd840537e5604ee","_COMM":"vassal-watchdog"}"#,
            r#"{"__REALTIME_TIMESTAMP":"6","MESSAGE":[104,27,105],"_COMM":"uwsgi"}"#,
            r#"{"__REALTIME_TIMESTAMP":"7","MESSAGE":"Started","MESSAGE_ID":"39f5","_COMM":"systemd"}"#,
            "no JSON",
        ];
        let journal = Journal::sorted(lines.iter().filter_map(|line| entry(line.as_bytes())));
        assert_eq!((journal.events.len(), journal.words.len()), (1, 1));
        assert_eq!(journal.words[0].message, "h\\x1bi");
        let explained = journal.events[0].explanation().unwrap();
        assert!(
            explained.starts_with("The filesystem mounted there answers with an error"),
            "{explained}"
        );
    }
}
