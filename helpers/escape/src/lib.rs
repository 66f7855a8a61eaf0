//! Text from outside, escaped for the place it goes to: a line that people read, the name of a unit, a value in a unit, a word for a
//! shell. Each escaping exists here once.
//!
//! Imports std and nothing else. Every other crate may import it.
//!
//! Rooms, each of which uses only those before it: digest, printable, shell, unit_name, unit_text.
#![forbid(unsafe_code)]

pub mod digest;
mod printable;
pub mod shell;
pub mod unit_name;
pub mod unit_text;

pub use printable::{printable, shortened};
