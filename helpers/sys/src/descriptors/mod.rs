//! Descriptors: copying, passing on, and inspecting them.
//!
//! Rooms, each of which uses only those before it: fds, tcp, directory.

pub mod directory;
pub mod fds;
pub mod tcp;
