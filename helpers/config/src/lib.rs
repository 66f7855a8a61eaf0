//! Interprets uWSGI configurations.
//!
//! Bytes go in, values come out. Nothing here prints, exits, or accesses a clock, an environment or a file, except
//! through the trait [`machine::world::World`]; so every rule of the language can be tested on a machine made of
//! constants. Comments cite the rules by their ids (`E8`, `C4`, ...); each is a fact observed on uWSGI 2.0
//! (docs/uwsgi-behaviour.md).
//!
//! Rooms, each of which uses only those before it: limits, bytes, diagnostic, machine, options, language, users, hooks, unit,
//! emperor, vassal.
//!
//! This crate may import std, regex-lite and vassal-escape, and is imported by the generator, the root helpers
//! and the tools. Start reading at [`language::evaluation::evaluate::evaluate`], which goes from arguments to the final list; then
//! `add` (one entry), `load` (one file) and `expand` (references). [`language::text::lex`] alone gives the lines as written, without
//! evaluating anything.
#![forbid(unsafe_code)]

pub(crate) mod bytes;
pub mod emperor;
pub mod hooks;
pub mod language;
pub mod machine;
pub mod options;
pub mod unit;
pub mod users;
pub mod vassal;

pub mod diagnostic;
pub mod limits;
