//! Files that uWSGI opens by path as root before it changes its user, and opens again later. A start prepares them for
//! the app's user.

use crate::diagnostic::Origin;
use crate::language::evaluation::entry::Entry;
use crate::options::id::Id;
use crate::vassal::logs::{is_log, is_log_file};

/// The use of such a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A log that uWSGI opens itself, because it opens, moves or empties it again later.
    Log,
    /// The directory of a spooler.
    Spooler,
    /// A lock file.
    Lock,
}

/// A file or directory to be prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// Its use.
    pub purpose: Purpose,
    /// Its path.
    pub path: Vec<u8>,
    /// The line.
    pub origin: Origin,
}

/// The files in `entries`, which are those for uWSGI.
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
