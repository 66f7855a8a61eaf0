//! The text of a file: its bytes, its lines, and the names under which files are given.

pub(crate) mod hostname;
pub mod lex;
pub(crate) mod permissions;
pub(crate) mod source_text;
pub(crate) mod uri;
