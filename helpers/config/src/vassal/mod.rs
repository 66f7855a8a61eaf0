//! One vassal: its file is read, and what a start does is compiled into a plan.

pub mod key_files;
pub mod missing_plugins;
pub mod overlap;
pub mod payload;
pub mod plan;
pub(crate) mod plugin_words;
pub mod push;
pub mod read;
pub mod restart_only;
pub mod root_files;
pub mod settings;
pub mod socket;
pub(crate) mod steps;
pub(crate) mod workers;
