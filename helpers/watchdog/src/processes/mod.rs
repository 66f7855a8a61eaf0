//! The processes of the vassal: their tree, their threads, their ends.
//!
//! Rooms, each of which uses only those before it: tree, reaper, probe, progress, fuse_daemons, unknown_exits.

pub mod fuse_daemons;
pub mod probe;
pub mod progress;
pub mod reaper;
pub mod tree;
pub mod unknown_exits;
