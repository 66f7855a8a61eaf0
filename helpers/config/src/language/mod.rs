//! The language of the files: text to lines, references to values, lines to the final list of entries.

pub mod evaluation;
pub(crate) mod expansion;
pub mod text;
