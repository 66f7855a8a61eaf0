//! The app's program and its configuration.

use crate::diagnostic::Origin;
use crate::language::evaluation::entry::{Entry, has, last};
use crate::options::id::Id;
use crate::options::plugins::debian_name;
use crate::vassal::missing_plugins::missing_plugins;
use crate::vassal::settings::Settings;
use vassal_escape::printable;

/// The app's program and its configuration.
#[derive(Debug, Clone)]
pub enum Payload {
    /// uWSGI, which gets the rest of the configuration ([`crate::vassal::push`]).
    Uwsgi {
        /// The entries for uWSGI, in order.
        entries: Vec<Entry>,
        /// `unprivileged-binary-patch`: a program that replaces uWSGI and gets the same configuration.
        program: Option<Vec<u8>>,
    },
    /// Another program, as a shell command.
    Command {
        /// The shell text.
        command: Vec<u8>,
        /// `chdir` and `chdir2`, which would be uWSGI's to do.
        directory: Option<Vec<u8>>,
        /// The line.
        origin: Origin,
    },
}

impl Payload {
    /// The directory that the app itself changes to at its start, if it does.
    pub fn directory(&self) -> Option<&[u8]> {
        match self {
            Payload::Uwsgi { entries, .. } => {
                last(entries, &[Id::Chdir]).and_then(|entry| entry.value.as_deref())
            }
            Payload::Command { directory, .. } => directory.as_deref(),
        }
    }
}

/// The payload of a file with these `settings`. `left` are the entries for uWSGI, `ours` all others.
pub(crate) fn of(settings: &Settings, left: Vec<Entry>, ours: &[Entry], is_watched: bool) -> Payload {
    if let Some((command, origin)) = &settings.command {
        return Payload::Command {
            command: command.clone(),
            directory: last(&left, &[Id::Chdir, Id::Chdir2]).and_then(|entry| entry.value.clone()),
            origin: origin.clone(),
        };
    }
    // It is executed right after the as-user hooks, before any chdir (EMP-33).
    if let Some(patch) = last(ours, &[Id::UnprivilegedBinaryPatchArg]).cloned() {
        return Payload::Command {
            command: patch.value.unwrap_or_default(),
            directory: None,
            origin: patch.origin,
        };
    }
    let program = last(ours, &[Id::UnprivilegedBinaryPatch]).and_then(|entry| entry.value.clone());
    Payload::Uwsgi {
        entries: with_implied(left, is_watched),
        program,
    }
}

/// Adds options that uWSGI needs because vassal has taken other lines.
fn with_implied(mut entries: Vec<Entry>, is_watched: bool) -> Vec<Entry> {
    let imply = |id: Id| Entry::new(id.name().into(), Some(b"true".to_vec()), Origin::CommandLine);
    let mut implied = Vec::new();
    // The watchdog takes mountpoint-check lines, which imply a master (MPC-1).
    if is_watched && !has(&entries, &[Id::Master]) {
        implied.push(imply(Id::Master));
    }
    // If the app does not load, the start has failed; uWSGI would answer every request with 500 (CFG-2; compat row).
    if has(&entries, &APPS) && !has(&entries, &[Id::NeedApp]) {
        implied.push(imply(Id::NeedApp));
    }
    entries.extend(implied);
    entries
}

/// Options that name an app which is loaded at the start.
const APPS: [Id; 18] = [
    Id::Psgi,
    Id::Wsgi,
    Id::WsgiFile,
    Id::File,
    Id::Module,
    Id::Eval,
    Id::Paste,
    Id::IniPaste,
    Id::IniPasteLogged,
    Id::Pump,
    Id::Web3,
    Id::Pecan,
    Id::Rack,
    Id::Rails,
    Id::Lua,
    Id::Mount,
    Id::Jwsgi,
    Id::MonoApp,
];

/// A description of the first line that names an app and whose plugin no line loads (SEED-1).
pub(crate) fn app_hint(entries: &[Entry]) -> Option<String> {
    let missing = missing_plugins(entries);
    let (entry, plugin) = missing
        .iter()
        .find(|(entry, _)| APPS.iter().any(|id| entry.is(*id)))?;
    Some(format!(
        "{}: '{}' needs a line 'plugin = {}'",
        entry.origin,
        printable(&entry.key),
        debian_name(plugin)
    ))
}
