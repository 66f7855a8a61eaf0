//! The Emperor's file: its settings, the names of vassals, and where their files are.
//!
//! Rooms, each of which uses only those before it: name, place, settings, vassals.

pub mod name;
pub mod place;
pub mod settings;
pub mod vassals;
