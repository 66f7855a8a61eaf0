//! The verbs of vassalctl, one file for each.

pub mod check;
pub mod completions;
pub mod entries;
pub mod migrate;
pub mod options;
pub mod running;
pub mod show;
pub mod sync;
