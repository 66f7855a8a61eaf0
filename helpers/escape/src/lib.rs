//! Escapes untrusted text for the place where it is put: a line for people, a unit's name, a value in a unit, a shell
//! word. Each kind of escaping is implemented here and nowhere else.
//!
//! Imports std only. Every other crate may import it.
//!
//! Rooms, each of which uses only those before it: digest, printable, shell, unit_name, unit_text.
#![forbid(unsafe_code)]

pub mod digest;
mod printable;
pub mod shell;
pub mod unit_name;
pub mod unit_text;

pub use printable::{printable, shortened};
