//! A start inside the vassal's namespaces, up to the exec of the watchdog.
//!
//! Rooms, each of which uses only those before it: prepared, old_root, handoff, order, enter.

pub mod enter;
pub mod handoff;
mod old_root;
pub mod order;
pub mod prepared;
