//! The Emperor's file: its settings, the names of vassals, and where their files are.

pub mod name;
pub mod place;
pub mod settings;
