//! The commands of vassalctl, one file for each.

pub mod check;
pub mod enter;
pub mod entries;
pub mod list;
pub mod logs;
pub mod migrate;
pub mod options;
pub mod run;
pub mod show;
pub mod show_text;
pub mod stats;
pub mod status;
pub mod units;
