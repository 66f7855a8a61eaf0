//! The texts of files: their sources, bytes and lines, and which names they may use.

pub(crate) mod hostname;
pub mod lex;
pub(crate) mod permissions;
pub(crate) mod source_text;
pub(crate) mod uri;
