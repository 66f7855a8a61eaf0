//! What is measured, one file for each.

pub mod deploy;
pub mod entry;
pub mod fleet;
pub mod generation;
pub mod hang;
pub mod incident;
pub mod kills;
pub mod ladder;
pub mod live;
pub mod many;
pub mod memory;
pub mod remount;
pub mod request;
pub mod thousand;
