//! Descriptors: which are open, what they stand for, what lies below one.
//!
//! Rooms, each of which uses only those before it: fds, tcp, directory.

pub mod directory;
pub mod fds;
pub mod tcp;
