//! Turns options that vassal-enter carries out, other than hooks, into operations (ORD rows 7 to 13).

use crate::diagnostic::Diagnostic;
use crate::hooks::action::{Action, Awaited, WriteMode};
use crate::hooks::namespaces::Namespaces;
use crate::hooks::phase::Phase;
use crate::language::evaluation::entry::{Entry, last};
use crate::options::flag;
use crate::options::id::Id;
use crate::vassal::logs::LOGS;
use crate::vassal::plan::Operation;
use std::time::Duration;
use vassal_escape::printable;

/// The result.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    /// The operations, in the order in which they happen within their phases.
    pub operations: Vec<Operation>,
    /// Namespaces that the vassal is cloned into in addition to the emperor's.
    pub cloned: Namespaces,
    /// Namespaces that the vassal enters later, by unshare.
    pub unshared: Namespaces,
    /// Whether post-jail hooks run (ORD-2).
    pub is_jailed: bool,
    /// `binsh`
    pub shells: Vec<Vec<u8>>,
}

/// The operations for `entries` in a vassal that is cloned into the namespaces `emperors`. Errors are added to
/// `errors`.
pub(crate) fn of(entries: &[Entry], emperors: Namespaces, errors: &mut Vec<Diagnostic>) -> Steps {
    let mut steps = Steps {
        is_jailed: is_on(entries, Id::Jailed),
        ..Steps::default()
    };
    steps.settings(entries, errors);
    steps.files(entries, errors);
    for (option, phase) in [(Id::Unshare, Phase::Unshare), (Id::Unshare2, Phase::UnshareAgain)] {
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

fn wrong(entry: &Entry, problem: &str, hint: &str) -> Diagnostic {
    let (option, shown) = (printable(&entry.key), value(entry));
    let message = format!("{option} = {}: {problem}", printable(&shown));
    Diagnostic::error(Some(entry.origin.clone()), message).with_hint(hint)
}

impl Steps {
    fn push(&mut self, entry: &Entry, phase: Phase, action: Action) {
        self.operations.push(Operation {
            phase,
            kind: None,
            action,
            option: entry.key.clone(),
            text: value(entry),
            origin: Some(entry.origin.clone()),
        });
    }

    /// `umask`, `env`, `unenv` and `early-envdir`, in the order of the file. They take effect before the first hook.
    fn settings(&mut self, entries: &[Entry], errors: &mut Vec<Diagnostic>) {
        for entry in entries {
            let text = value(entry);
            let action = match entry.id() {
                Some(Id::Umask) => match octal(&text) {
                    Some(mask) => Action::SetUmask(mask),
                    None => {
                        errors.push(wrong(entry, "not an octal number", "write it as 022"));
                        continue;
                    }
                },
                Some(Id::Env) => match text.iter().position(|byte| *byte == b'=') {
                    Some(at) if at > 0 => {
                        Action::SetEnvironment(text[..at].to_vec(), text[at + 1..].to_vec())
                    }
                    // uWSGI does not make a variable of it either.
                    _ => continue,
                },
                Some(Id::Unenv) => Action::UnsetEnvironment(text),
                Some(Id::EarlyEnvdir) => Action::ReadEnvdir(text),
                Some(Id::Binsh) => {
                    self.shells.push(text);
                    continue;
                }
                _ => continue,
            };
            self.push(entry, Phase::Settings, action);
        }
    }

    /// `envdir`, then the log, then the pidfile; `file-write` comes after the in-jail hooks.
    fn files(&mut self, entries: &[Entry], errors: &mut Vec<Diagnostic>) {
        for entry in entries.iter().filter(|entry| entry.is(Id::Envdir)) {
            self.push(entry, Phase::Files, Action::ReadEnvdir(value(entry)));
        }
        if let Some(entry) = last(entries, &LOGS) {
            self.push(entry, Phase::Files, Action::OpenLog(value(entry)));
        }
        for option in [Id::Pidfile, Id::SafePidfile] {
            if let Some(entry) = last(entries, &[option]) {
                self.push(entry, Phase::Files, Action::OpenPidfile(value(entry)));
            }
        }
        for entry in entries.iter().filter(|entry| entry.is(Id::FileWrite)) {
            let text = value(entry);
            match text.iter().position(|byte| *byte == b'=') {
                Some(at) => {
                    // uWSGI appends a line end (measured).
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

    /// `unshare`: a PID namespace affects only later children, so it is made by the clone. The other namespaces are
    /// entered at their place in the order, and hooks before it run in the old ones.
    fn unshare(
        &mut self,
        entries: &[Entry],
        option: Id,
        phase: Phase,
        emperors: Namespaces,
    ) -> Result<(), Diagnostic> {
        let mut wanted = Namespaces::default();
        let lines: Vec<_> = entries.iter().filter(|entry| entry.is(option)).collect();
        for entry in &lines {
            wanted.add(entry)?;
        }
        let Some(entry) = lines.last() else { return Ok(()) };
        self.is_jailed |= option == Id::Unshare && !wanted.is_empty();
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

    /// `chroot` and `pivot_root`: the last line of each counts, and chroot is done first (row 13 of ORD).
    fn root(&mut self, entries: &[Entry], errors: &mut Vec<Diagnostic>) {
        if let Some(entry) = last(entries, &[Id::Chroot]) {
            self.push(entry, Phase::Jail, Action::Chroot(value(entry)));
        }
        let Some(entry) = last(entries, &[Id::PivotRoot]) else {
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

    /// `wait-for-interface`, then `wait-for-fs` and similar options in the order of the file, then
    /// `wait-for-mountpoint`.
    fn waits(&mut self, entries: &[Entry], errors: &mut Vec<Diagnostic>) {
        let interface = limit(entries, Id::WaitForInterfaceTimeout, errors);
        let file = limit(entries, Id::WaitForFsTimeout, errors);
        for id in [Id::WaitForInterface, Id::WaitForFs, Id::WaitForMountpoint] {
            for entry in entries.iter().filter(|entry| entry.is(id)) {
                let (awaited, limit) = match id {
                    Id::WaitForFs => (Awaited::Path, file),
                    Id::WaitForMountpoint => (Awaited::Mountpoint, file),
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

/// A limit in seconds; `None` if it is not given.
fn limit(entries: &[Entry], id: Id, errors: &mut Vec<Diagnostic>) -> Option<Duration> {
    let entry = last(entries, &[id])?;
    let text = value(entry);
    let seconds = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
    if seconds.is_none() {
        errors.push(wrong(entry, "not a number", "seconds, as 60"));
    }
    seconds.map(Duration::from_secs)
}

/// Whether the flag is on: the last line counts.
fn is_on(entries: &[Entry], id: Id) -> bool {
    last(entries, &[id]).is_some_and(|entry| flag::is_on(entry.value.as_deref().unwrap_or_default()))
}
