//! The processes of the vassal: their tree, their threads, their ends.

pub mod fuse_daemons;
pub mod progress;
pub mod reaper;
pub mod signalling;
pub mod threads;
pub mod tree;
