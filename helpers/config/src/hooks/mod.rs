//! Hooks: their phases, their actions, and the words of mounts and namespaces.
//!
//! Rooms, each of which uses only those before it: namespaces, mountflags, phase, action, hook.

pub mod action;
pub mod hook;
pub mod mountflags;
pub mod namespaces;
pub mod phase;
