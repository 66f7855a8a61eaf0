//! What each action of a hook does, by families.
//!
//! Rooms, each of which uses only those before it: waits, files, layers, mount, process, perform.

pub mod files;
mod layers;
pub mod mount;
pub mod perform;
pub mod process;
pub mod waits;
