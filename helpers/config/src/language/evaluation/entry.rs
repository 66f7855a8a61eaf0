//! An entry: one option, placeholder or logic word, with its value and its place.

use crate::diagnostic::{Diagnostic, Origin};

/// One entry of the list: an option, a placeholder or a logic word, in the order it was added (M0.1, O1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name as written, after magic variables.
    pub key: Vec<u8>,
    /// The value, expanded; none for a flag given on the command line without one (A1).
    pub value: Option<Vec<u8>>,
    /// Where it was written.
    pub origin: Origin,
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
    Entry {
        key: key.into(),
        value: Some(value.into()),
        origin: Origin::CommandLine,
    }
}
