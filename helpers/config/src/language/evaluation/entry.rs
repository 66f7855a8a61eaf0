//! An entry: one option, placeholder or logic word, with its value and its place.

use crate::diagnostic::{Diagnostic, Origin};
use crate::options::disposition::Disposition;
use crate::options::id::Id;
use crate::options::lookup::find;
use crate::options::plugins::plugin_option;
use crate::options::row::OptionRow;

/// One entry of the list: an option, a placeholder or a logic word, in the order it was added (M0.1, O1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name as written, after magic variables.
    pub key: Vec<u8>,
    /// The value, expanded; none for a flag given on the command line without one (A1).
    pub value: Option<Vec<u8>>,
    /// Where it was written.
    pub origin: Origin,
    /// What the key means, whichever of its names was written.
    row: Option<&'static OptionRow>,
    id: Option<Id>,
}

impl Entry {
    /// An entry; what its key means is looked up here, once.
    #[must_use]
    pub fn new(key: Vec<u8>, value: Option<Vec<u8>>, origin: Origin) -> Self {
        let row = find(&key);
        let id = match row {
            Some(row) => row.id,
            None => plugin_option(&key).and_then(|row| row.id),
        };
        Entry {
            key,
            value,
            origin,
            row,
            id,
        }
    }

    /// The row of an option of the core.
    pub fn row(&self) -> Option<&'static OptionRow> {
        self.row
    }

    /// Which option it is, if the programs act on it.
    pub fn id(&self) -> Option<Id> {
        self.id
    }

    /// Whether it is this option, under any of its names.
    pub fn is(&self, id: Id) -> bool {
        self.id == Some(id)
    }

    /// Whether it is one of these options.
    pub fn is_one_of(&self, ids: &[Id]) -> bool {
        self.id.is_some_and(|id| ids.contains(&id))
    }

    /// What becomes of it.
    pub fn disposition(&self) -> Disposition {
        self.row.map_or(Disposition::Uwsgi, |row| row.disposition)
    }

    /// Why, for a warning or an error; empty for a name that is no option.
    pub fn why(&self) -> &'static str {
        self.row.map_or("", |row| row.why)
    }
}

/// The last of `entries` that is one of these options.
pub fn last<'a>(entries: &'a [Entry], ids: &[Id]) -> Option<&'a Entry> {
    entries.iter().rev().find(|entry| entry.is_one_of(ids))
}

/// Whether one of `entries` is one of these options.
pub fn has(entries: &[Entry], ids: &[Id]) -> bool {
    entries.iter().any(|entry| entry.is_one_of(ids))
}

/// A finding with the option of its line, as one of `entries` has it.
#[must_use]
pub fn with_option_of(finding: Diagnostic, entries: &[Entry]) -> Diagnostic {
    let mut entries = entries.iter();
    match entries.find(|entry| Some(&entry.origin) == finding.origin.as_ref()) {
        Some(entry) => finding.with_option(&entry.key),
        None => finding,
    }
}

/// An entry of a test.
#[cfg(test)]
pub(crate) fn entry(key: &str, value: &str) -> Entry {
    Entry::new(key.into(), Some(value.into()), Origin::CommandLine)
}
