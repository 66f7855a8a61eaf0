//! Users: the app's user and capabilities, and which users' files are trusted.
//!
//! Rooms, each of which uses only those before it: capability, identity, trust.

pub mod capability;
pub mod identity;
pub mod trust;
