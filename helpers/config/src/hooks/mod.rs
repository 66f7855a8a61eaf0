//! Hooks: their phases, their actions, and the words of mounts and namespaces.
//!
//! Rooms, each of which uses only those before it: namespaces, mountflags, phase, action, parse, hook.

pub mod action;
pub mod hook;
pub mod mountflags;
pub mod namespaces;
pub mod parse;
pub mod phase;
