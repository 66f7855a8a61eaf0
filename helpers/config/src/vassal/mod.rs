//! A vassal: reads its file, and compiles what a start has to do into a plan.
//!
//! Rooms, each of which uses only those before it: address, settings, missing_plugins, payload, push, key_files, socket, logs, root_files,
//! workers, plan, steps, compile, read, reload.

pub mod address;
pub mod compile;
pub mod key_files;
pub(crate) mod logs;
pub mod missing_plugins;
pub mod payload;
pub mod plan;
pub mod push;
pub mod read;
pub mod reload;
pub mod root_files;
pub mod settings;
pub mod socket;
pub(crate) mod steps;
pub(crate) mod workers;
