//! The texts of a vassal's file and of the files it includes, before evaluation.

use crate::lints::scene::Scene;
use std::collections::{BTreeMap, BTreeSet};
use vassal_config::diagnostic::Origin;
use vassal_config::language::evaluation::entry::Entry;
use vassal_config::language::text::lex::lines;
use vassal_config::machine::trusted::Reader;

/// The texts of these files, by the names under which they were read.
#[derive(Debug)]
pub struct Written(BTreeMap<Vec<u8>, Vec<u8>>);

/// Reads the files again. A file that can no longer be read has no text.
pub fn texts(scene: &Scene<'_>) -> Written {
    let named = scene
        .vassal
        .effects
        .iter()
        .filter_map(|entry| match &entry.origin {
            Origin::File { name, .. } => Some(name.to_vec()),
            Origin::CommandLine | Origin::Environment => None,
        });
    let names: BTreeSet<Vec<u8>> = named.collect();
    let reader = Reader::default();
    let text = |name: Vec<u8>| {
        let read = reader.read(&scene.location.outside(&name)).unwrap_or_default();
        (name, read.content)
    };
    Written(names.into_iter().map(text).collect())
}

impl Written {
    /// Whether the line of `entry` begins with its name.
    pub fn names(&self, entry: &Entry) -> bool {
        let Origin::File {
            name,
            line,
            column: _,
        } = &entry.origin
        else {
            return false;
        };
        let text = self.0.get(name.as_ref()).map(Vec::as_slice).unwrap_or_default();
        lines(text).any(|written| written.line == *line && written.key == entry.key)
    }

    /// Whether the value of any line contains `name` as a word.
    pub fn mentions(&self, name: &[u8]) -> bool {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        let has_word = |value: &[u8]| {
            value.windows(name.len()).enumerate().any(|(at, part)| {
                let before = at.checked_sub(1).and_then(|at| value.get(at));
                let after = value.get(at + name.len());
                part == name && !before.is_some_and(is_part) && !after.is_some_and(is_part)
            })
        };
        !name.is_empty()
            && self
                .0
                .values()
                .any(|text| lines(text).any(|line| has_word(line.value)))
    }

    /// The texts, with the names of their files.
    pub fn all(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0
            .iter()
            .map(|(name, text)| (name.as_slice(), text.as_slice()))
    }
}
