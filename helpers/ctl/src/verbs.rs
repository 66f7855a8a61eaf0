//! What the command line can ask for, one file each.

pub mod enter;
pub mod list;
pub mod logs;
pub mod run;
pub mod stats;
pub mod status;
pub mod units;
