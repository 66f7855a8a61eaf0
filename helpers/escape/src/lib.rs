//! Text from outside, escaped for the place it goes to.
//!
//! Imports std and nothing else. Every other crate may import it.
#![forbid(unsafe_code)]

mod printable;

pub use printable::{printable, shortened};
