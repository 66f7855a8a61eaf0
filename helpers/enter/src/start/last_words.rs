//! The last words of an app that has ended by itself. The app writes directly into the journal, so that no process of
//! ours has to relay each line and no line can be lost with it. So its words are read from the journal, by the next
//! start, in the host's namespaces. They decide nothing: they are cut, made printable, and reported as the app's words.

use crate::start::query::query;
use nix::unistd::Pid;
use std::time::{Duration, Instant};
use vassal_escape::{printable, shortened};
use vassal_state::restart_record::{End, RestartRecord, SEE_ABOVE, Turn};
use vassal_systemd::events::APP_ENDED;

const JOURNALCTL: &str = "/usr/bin/journalctl";
/// How many lines of the unit are read.
const LINES: &str = "--lines=40";
/// The most of a line that is repeated.
const WORDS_LIMIT: usize = 200;
/// The time limit for reading the journal before an immediate restart, while clients wait. A restart with a pause has
/// more time. With a small journal it takes 4 ms (measured).
const AT_ONCE_LIMIT: Duration = Duration::from_millis(100);
const LIMIT: Duration = Duration::from_secs(2);
/// How long journald may take to write down the last output of a process that has just ended; it is tried again
/// meanwhile.
const WRITTEN_LIMIT: Duration = Duration::from_millis(500);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Lines that uWSGI and Perl print after the reason, for every app that does not load.
const EPILOGUES: [&[u8]; 6] = [
    b"*** no app loaded",
    b"unable to find PSGI function entry point",
    b"unable to load app ",
    b"OOPS ! failed loading app",
    b"BEGIN failed--compilation aborted",
    b"VACUUM: ",
];

/// Adds the app's last words to the cause in the record, if the last run ended with its app.
pub fn add(record: &mut RestartRecord, turn: Turn, unit: &str) {
    if record.end != End::App {
        return;
    }
    record.end = End::Reported;
    let limit = match turn {
        Turn::After(Duration::ZERO) => AT_ONCE_LIMIT,
        Turn::After(_) | Turn::Later(_) => LIMIT,
    };
    // Without last words the cause is still true.
    let words = read(unit, limit).ok().and_then(|lines| last_words(&lines));
    if let Some(words) = words {
        let cause = record.cause.replace(&format!(" ({SEE_ABOVE})"), "");
        record.cause = format!("{cause}; the app's last words: {words}");
    }
}

/// The last words of the process `pid`, which has ended.
pub fn of_process(pid: Pid) -> Option<String> {
    let sender = format!("_PID={pid}");
    let fields = "--output-fields=MESSAGE,MESSAGE_ID,_COMM,_UID";
    let arguments = ["--quiet", "--boot", "--output=export", fields, LINES, &sender];
    let end = Instant::now() + WRITTEN_LIMIT;
    loop {
        let export = query(JOURNALCTL, &arguments, LIMIT).ok()?;
        let entries = entries(&export);
        if let Some(found) = entries.iter().rev().find(|entry| entry.says_something()) {
            return Some(shortened(&printable(found.message.trim_ascii()), WORDS_LIMIT));
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// The last lines of the unit in the journal's export format.
fn read(unit: &str, limit: Duration) -> std::io::Result<Vec<u8>> {
    let (sender, object) = (
        format!("_SYSTEMD_UNIT={unit}"),
        format!("OBJECT_SYSTEMD_UNIT={unit}"),
    );
    let fields = "--output-fields=MESSAGE,MESSAGE_ID,_COMM,_UID";
    let arguments = ["--quiet", "--output=export", fields, LINES, &sender, "+", &object];
    query(JOURNALCTL, &arguments, limit)
}

/// The relevant fields of a journal entry.
#[derive(Debug, Default)]
struct Entry<'a> {
    message: &'a [u8],
    id: &'a [u8],
    /// The name of the sending process; empty if it had ended before journald looked.
    comm: &'a [u8],
    /// The user of the sending process, as the kernel reports it with each message.
    uid: &'a [u8],
}

impl Entry<'_> {
    /// Whether the line is vassal's own, or may be: such a line can contain a value that only root may read, and
    /// everybody can read the cause.
    fn is_ours(&self) -> bool {
        self.comm.starts_with(b"vassal-") || self.comm.is_empty() && (self.uid == b"0" || self.uid.is_empty())
    }

    fn says_something(&self) -> bool {
        let message = self.message.trim_ascii();
        !self.is_ours() && !message.is_empty() && !EPILOGUES.iter().any(|text| message.starts_with(text))
    }
}

/// The last line that gives a reason, among those that the app has written between its start and its end. journald may
/// write some of them after the event about the end.
fn last_words(export: &[u8]) -> Option<String> {
    let entries = entries(export);
    let end = entries
        .iter()
        .rposition(|entry| entry.id == APP_ENDED.id.as_bytes())?;
    let is_event = |entry: &Entry<'_>| !entry.id.is_empty();
    let start = entries[..end]
        .iter()
        .rposition(is_event)
        .map_or(0, |start| start + 1);
    let before = entries[start..end].iter().rev();
    let mut lines = before.chain(&entries[end + 1..]);
    let found = lines.find(|entry| entry.says_something())?;
    Some(shortened(&printable(found.message.trim_ascii()), WORDS_LIMIT))
}

/// The entries in the export format (systemd.io/JOURNAL_EXPORT_FORMATS): a field is a line `NAME=VALUE`, or a line with
/// the name, the value's length in eight bytes, and the value. An empty line ends an entry. An incomplete entry is left
/// out.
fn entries(mut export: &[u8]) -> Vec<Entry<'_>> {
    let mut entries = vec![Entry::default()];
    while let Some(end) = export.iter().position(|byte| *byte == b'\n') {
        let (line, rest) = (&export[..end], &export[end + 1..]);
        export = rest;
        if line.is_empty() {
            entries.push(Entry::default());
            continue;
        }
        let (name, value) = match line.iter().position(|byte| *byte == b'=') {
            Some(equals) => (&line[..equals], &line[equals + 1..]),
            None => {
                let Some((length, rest)) = rest.split_first_chunk() else {
                    break;
                };
                let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
                let Some(value) = rest.get(..length) else { break };
                export = rest.get(length + 1..).unwrap_or_default();
                (line, value)
            }
        };
        if let Some(entry) = entries.last_mut() {
            match name {
                b"MESSAGE" => entry.message = value,
                b"MESSAGE_ID" => entry.id = value,
                b"_COMM" => entry.comm = value,
                b"_UID" => entry.uid = value,
                _ => {}
            }
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTED: &str = "_COMM=uwsgi\nMESSAGE=*** Operational MODE: single process ***\n\n";
    const ENDED: &str = "MESSAGE_ID=e9cbe4dd51554c349c33af94ff46dad2\n_COMM=vassal-watchdog\nMESSAGE=x: uwsgi exited with 22\n\n";
    const OVER: &str = "_COMM=uwsgi\nMESSAGE=*** no app loaded. GAME OVER ***\n\n";

    #[test]
    fn the_last_line_of_the_app_that_gives_a_reason_is_found() {
        let line = |text: &str| format!("__CURSOR=s=1\n_COMM=uwsgi\nMESSAGE={text}\n\n");
        let ours = "_COMM=vassal-enter\nMESSAGE=fuse-zip says\n\n";
        let (reason, older) = (line("ImportError: no module x"), line("older"));
        let cases = [
            (
                vec![STARTED, &reason, OVER, ENDED],
                Some("ImportError: no module x"),
            ),
            // Of the run before, and of hooks at the end.
            (
                vec![&older, ENDED, STARTED, &reason, ENDED, ours, &older],
                Some("ImportError: no module x"),
            ),
            (vec![&older, ENDED, OVER, ENDED], None),
            (vec![STARTED, &reason], None),
            // Gone before journald looked: only the user tells whose it is.
            (
                vec![
                    STARTED,
                    "_UID=20001\nMESSAGE=the app's\n\n",
                    "_UID=0\nMESSAGE=a value\n\n",
                    ENDED,
                ],
                Some("the app's"),
            ),
            // Written down late.
            (vec![ENDED, &reason, OVER], Some("ImportError: no module x")),
            (vec!["\n\n=\nMESSAGE\n\x05"], None),
        ];
        for (lines, expected) in cases {
            assert_eq!(
                last_words(lines.concat().as_bytes()).as_deref(),
                expected,
                "{lines:?}"
            );
        }
    }

    #[test]
    fn what_a_tenant_writes_is_one_printable_line() {
        let text = b"evil\nREADY=1\x1b[31m";
        let length = (text.len() as u64).to_le_bytes();
        let entry = [b"MESSAGE\n".as_slice(), &length, text, b"\n_COMM=sh\n\n"].concat();
        let words = last_words(&[&entry, ENDED.as_bytes()].concat()).unwrap();
        assert_eq!(words, "evil\\x0aREADY=1\\x1b[31m");
        let long = format!("_UID=20001\nMESSAGE={}\n\n{ENDED}", "x".repeat(5000));
        assert_eq!(last_words(long.as_bytes()).unwrap().len(), WORDS_LIMIT);
    }
}
