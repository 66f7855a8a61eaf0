//! What happens in the vassal's namespaces, up to the exec of the watchdog.
//!
//! Rooms, each of which uses only those before it: prepared, handoff, enter.

pub mod enter;
pub mod handoff;
pub mod prepared;
