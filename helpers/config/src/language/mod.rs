//! The language of the files: text to lines, references to values, lines to the final list of entries.
//!
//! Rooms, each of which uses only those before it: text, expansion, evaluation.

pub mod evaluation;
pub(crate) mod expansion;
#[cfg(test)]
pub(crate) mod testing;
pub mod text;
