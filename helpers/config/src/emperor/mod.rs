//! The Emperor's file: its settings, the names of vassals, and where their files are.
//!
//! Rooms, each of which uses only those before it: name, place, own_options, on_demand, time_limits, programs,
//! settings, vassals.

pub mod name;
pub mod on_demand;
pub mod own_options;
pub mod place;
pub mod programs;
pub mod settings;
pub mod time_limits;
pub mod vassals;
