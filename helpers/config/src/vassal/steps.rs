//! The options of a vassal's file that vassal-enter does and that are no hooks, as operations (ORD rows 7 to 13).

use crate::diagnostic::Diagnostic;
use crate::hooks::action::{Action, Awaited, WriteMode};
use crate::hooks::namespaces::Namespaces;
use crate::hooks::phase::Phase;
use crate::language::evaluation::entry::Entry;
use crate::options::flag;
use crate::vassal::plan::Operation;
use std::time::Duration;
use vassal_escape::printable;

/// What such options come to.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    /// One for each, in the order in which they happen inside their phases.
    pub operations: Vec<Operation>,
    /// Namespaces that the vassal has to be cloned into beside the emperor's.
    pub cloned: Namespaces,
    /// Namespaces that it leaves the emperor's for, later.
    pub unshared: Namespaces,
    /// Whether the post-jail hooks run (ORD-2).
    pub is_jailed: bool,
    /// `binsh`
    pub shells: Vec<Vec<u8>>,
}

/// The steps of `entries`, in a vassal that is cloned into `emperors` namespaces; what cannot be done is added to
/// `errors`.
pub(crate) fn of(entries: &[Entry], emperors: Namespaces, errors: &mut Vec<Diagnostic>) -> Steps {
    let mut steps = Steps {
        is_jailed: is_on(entries, b"jailed"),
        ..Steps::default()
    };
    steps.settings(entries, errors);
    steps.files(entries, errors);
    for (option, phase) in [
        (&b"unshare"[..], Phase::Unshare),
        (b"unshare2", Phase::UnshareAgain),
    ] {
        if let Err(error) = steps.unshare(entries, option, phase, emperors) {
            errors.push(error);
        }
    }
    steps.root(entries, errors);
    steps.waits(entries, errors);
    steps
}

fn value(entry: &Entry) -> Vec<u8> {
    entry.value.clone().unwrap_or_default()
}

fn last<'a>(entries: &'a [Entry], names: &[&[u8]]) -> Option<&'a Entry> {
    let mut found = entries.iter().rev();
    found.find(|entry| names.contains(&entry.key.as_slice()))
}

fn wrong(entry: &Entry, problem: &str, hint: &str) -> Diagnostic {
    let (option, shown) = (printable(&entry.key), value(entry));
    let message = format!("{option} = {}: {problem}", printable(&shown));
    Diagnostic::error(Some(entry.origin.clone()), message).with_hint(hint)
}

impl Steps {
    fn push(&mut self, entry: &Entry, phase: Phase, action: Action) {
        self.operations.push(Operation {
            phase,
            action,
            option: entry.key.clone(),
            text: value(entry),
            origin: Some(entry.origin.clone()),
        });
    }

    /// `umask`, `env`, `unenv`, `early-envdir`, in the order of the file: they count from the first hook on.
    fn settings(&mut self, entries: &[Entry], errors: &mut Vec<Diagnostic>) {
        for entry in entries {
            let text = value(entry);
            let action = match entry.key.as_slice() {
                b"umask" => match octal(&text) {
                    Some(mask) => Action::SetUmask(mask),
                    None => {
                        errors.push(wrong(entry, "not an octal number", "write it as 022"));
                        continue;
                    }
                },
                b"env" => match text.iter().position(|byte| *byte == b'=') {
                    Some(at) if at > 0 => {
                        Action::SetEnvironment(text[..at].to_vec(), text[at + 1..].to_vec())
                    }
                    // uWSGI makes no variable of it either.
                    _ => continue,
                },
                b"unenv" => Action::UnsetEnvironment(text),
                b"early-envdir" => Action::ReadEnvdir(text),
                b"binsh" => {
                    self.shells.push(text);
                    continue;
                }
                _ => continue,
            };
            self.push(entry, Phase::Settings, action);
        }
    }

    /// `envdir`, then the log, then the file for the process's number; `file-write` comes after the in-jail hooks.
    fn files(&mut self, entries: &[Entry], errors: &mut Vec<Diagnostic>) {
        for entry in entries.iter().filter(|entry| entry.key == b"envdir") {
            self.push(entry, Phase::Files, Action::ReadEnvdir(value(entry)));
        }
        if let Some(entry) = last(entries, &[b"logto", b"daemonize"]) {
            self.push(entry, Phase::Files, Action::OpenLog(value(entry)));
        }
        for option in [&b"pidfile"[..], b"safe-pidfile"] {
            if let Some(entry) = last(entries, &[option]) {
                self.push(entry, Phase::Files, Action::OpenPidfile(value(entry)));
            }
        }
        for entry in entries.iter().filter(|entry| entry.key == b"file-write") {
            let text = value(entry);
            match text.iter().position(|byte| *byte == b'=') {
                Some(at) => {
                    // uWSGI ends it with a line break (measured).
                    let content = [&text[at + 1..], b"\n"].concat();
                    let file = text[..at].to_vec();
                    self.push(
                        entry,
                        Phase::InJail,
                        Action::Write(file, content, WriteMode::Truncate),
                    );
                }
                None => errors.push(wrong(entry, "no '=' in it", "file-write is FILE=TEXT")),
            }
        }
    }

    /// A PID namespace counts for later children only, so it is made by the clone; the others are left at their
    /// place in the order, where a hook before them still sees the old ones.
    fn unshare(
        &mut self,
        entries: &[Entry],
        option: &[u8],
        phase: Phase,
        emperors: Namespaces,
    ) -> Result<(), Diagnostic> {
        let mut wanted = Namespaces::default();
        let lines: Vec<_> = entries.iter().filter(|entry| entry.key == option).collect();
        for entry in &lines {
            wanted.add(entry)?;
        }
        let Some(entry) = lines.last() else { return Ok(()) };
        self.is_jailed |= option == b"unshare" && !wanted.is_empty();
        let pid = Namespaces {
            pid: wanted.pid,
            ..Namespaces::default()
        };
        self.cloned = self.cloned.with(pid.without(emperors));
        let now = wanted.without(pid);
        self.unshared = self.unshared.with(now);
        if !now.is_empty() {
            self.push(entry, phase, Action::Unshare(now));
        }
        Ok(())
    }

    /// `chroot` and `pivot_root`: the last line of each counts, chroot comes first (row 13 of ORD).
    fn root(&mut self, entries: &[Entry], errors: &mut Vec<Diagnostic>) {
        if let Some(entry) = last(entries, &[b"chroot"]) {
            self.push(entry, Phase::Jail, Action::Chroot(value(entry)));
        }
        let Some(entry) = last(entries, &[b"pivot_root", b"pivot-root"]) else {
            return;
        };
        let text = value(entry);
        let mut fields = text.splitn(2, |byte| *byte == b' ');
        match (fields.next(), fields.next()) {
            (Some(new), Some(old)) if new.starts_with(b"/") && old.starts_with(b"/") => {
                self.push(entry, Phase::Jail, Action::PivotRoot(new.to_vec(), old.to_vec()));
            }
            _ => errors.push(wrong(
                entry,
                "two absolute paths are needed",
                "pivot_root = NEW OLD, with OLD below NEW",
            )),
        }
    }

    /// `wait-for-interface`, then `wait-for-fs` and its like in the order of the file, then `wait-for-mountpoint`.
    fn waits(&mut self, entries: &[Entry], errors: &mut Vec<Diagnostic>) {
        const INTERFACE: [&[u8]; 4] = [
            b"wait-for-interface",
            b"wait-for-iface",
            b"wait-interface",
            b"wait-iface",
        ];
        const FILE: [&[u8]; 3] = [b"wait-for-fs", b"wait-for-file", b"wait-for-dir"];
        const MOUNTPOINT: [&[u8]; 1] = [b"wait-for-mountpoint"];
        let interface = limit(
            entries,
            &[
                b"wait-for-interface-timeout",
                b"wait-for-iface-timeout",
                b"wait-interface-timeout",
                b"wait-iface-timeout",
            ],
            errors,
        );
        let file = limit(entries, &[b"wait-for-fs-timeout"], errors);
        for names in [&INTERFACE[..], &FILE, &MOUNTPOINT] {
            for entry in entries
                .iter()
                .filter(|entry| names.contains(&entry.key.as_slice()))
            {
                let (awaited, limit) = match entry.key.as_slice() {
                    b"wait-for-fs" | b"wait-for-file" | b"wait-for-dir" => (Awaited::Path, file),
                    b"wait-for-mountpoint" => (Awaited::Mountpoint, file),
                    _ => (Awaited::Interface, interface),
                };
                self.push(entry, Phase::Wait, Action::WaitFor(awaited, value(entry), limit));
            }
        }
    }
}

fn octal(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(text).ok()?;
    u32::from_str_radix(text, 8).ok().filter(|mask| *mask <= 0o777)
}

/// A limit in seconds; none when it is not given.
fn limit(entries: &[Entry], names: &[&[u8]], errors: &mut Vec<Diagnostic>) -> Option<Duration> {
    let entry = last(entries, names)?;
    let text = value(entry);
    let seconds = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
    if seconds.is_none() {
        errors.push(wrong(entry, "not a number", "seconds, as 60"));
    }
    seconds.map(Duration::from_secs)
}

/// Whether the flag `name` is on: the last line counts.
fn is_on(entries: &[Entry], name: &[u8]) -> bool {
    let last = entries.iter().rev().find(|entry| entry.key == name);
    last.is_some_and(|entry| flag::is_on(entry.value.as_deref().unwrap_or_default()))
}
