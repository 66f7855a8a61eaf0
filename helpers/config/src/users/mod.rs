//! Users: who a vassal runs as, with which capabilities, and whose files are trusted.
//!
//! Rooms, each of which uses only those before it: capability, identity, trust.

pub mod capability;
pub mod identity;
pub mod trust;
