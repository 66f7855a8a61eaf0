//! Reloads: how one is done, and what it cannot change.
//!
//! Rooms, each of which uses only those before it: overlap, restart_only.

pub mod overlap;
pub mod restart_only;
