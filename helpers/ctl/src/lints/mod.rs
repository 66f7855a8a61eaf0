//! The lints: each finds a mistake that a start does not refuse, but by which it will not do what is meant. One file
//! for each.
//!
//! Rooms, each of which uses only those before it: host, fuse_commands, new_root, scene, spelling, user, mount, run.

pub mod fuse_commands;
pub mod host;
pub mod mount;
pub mod new_root;
pub mod run;
pub mod scene;
pub mod spelling;
pub mod user;
