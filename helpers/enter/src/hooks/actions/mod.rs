//! The effects of the hooks' actions, one file for each family.
//!
//! Rooms, each of which uses only those before it: waits, files, layers, mount, process, perform.

pub mod files;
mod layers;
pub mod mount;
pub mod perform;
pub mod process;
pub mod waits;
