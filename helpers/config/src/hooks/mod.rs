//! Hooks: their phases, their actions, and the words of mounts and namespaces.

pub mod action;
pub mod mountflags;
pub mod namespaces;
pub mod phase;
