//! What uWSGI opens by its path as root before it changes its user, and opens again later: a start prepares it for the app's user.

use crate::diagnostic::Origin;
use crate::language::evaluation::entry::Entry;
use crate::options::id::Id;
use crate::vassal::logs::{is_log, is_log_file};

/// What a path is to be for the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A log that uWSGI itself opens, because it opens, moves or empties it again.
    Log,
    /// The directory of a spooler.
    Spooler,
    /// A file to lock.
    Lock,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// What it is for.
    pub purpose: Purpose,
    /// Where it is.
    pub path: Vec<u8>,
    /// The line.
    pub origin: Origin,
}

/// What `entries`, those that are uWSGI's, name.
pub(crate) fn of(entries: &[Entry]) -> Vec<Handed> {
    let last_log = entries.iter().rposition(is_log);
    let handed = |(at, entry): (usize, &Entry)| {
        let path = entry.value.clone().unwrap_or_default();
        let purpose = match entry.id() {
            Some(Id::Spooler | Id::SpoolerExternal) => Purpose::Spooler,
            Some(Id::Flock | Id::FlockWait | Id::Flock2 | Id::FlockWait2) => Purpose::Lock,
            _ if last_log == Some(at) && is_log_file(&path) => Purpose::Log,
            _ => return None,
        };
        (!path.is_empty()).then(|| Handed {
            purpose,
            path,
            origin: entry.origin.clone(),
        })
    };
    entries.iter().enumerate().filter_map(handed).collect()
}
