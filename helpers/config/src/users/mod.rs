//! Users: who a vassal runs as, with which capabilities, and whose files are trusted.

pub mod capability;
pub mod identity;
pub mod trust;
