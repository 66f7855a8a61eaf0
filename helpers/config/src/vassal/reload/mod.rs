//! Reloads: how one is done, and what none can change.
//!
//! Rooms, each of which uses only those before it: overlap, restart_only.

pub mod overlap;
pub mod restart_only;
