//! What happens in the vassal's namespaces, up to the exec of the watchdog.

pub mod enter;
pub mod handoff;
pub mod mountpoints;
