//! The processes of the vassal: their tree, threads and ends, and the processes that the watchdog sends.
//!
//! Rooms, each of which uses only those before it: tree, copies, reaper, probe, held, progress, fuse_daemons, signalling, unknown_exits.

pub mod copies;
pub mod fuse_daemons;
pub mod held;
pub mod probe;
pub mod progress;
pub mod reaper;
pub mod signalling;
pub mod tree;
pub mod unknown_exits;
