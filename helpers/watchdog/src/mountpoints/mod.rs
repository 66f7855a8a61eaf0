//! The watched mountpoints: when each is asked, how, and what the answers come to.

pub mod coalesce;
pub mod disturbed;
pub mod mountpoint;
pub mod probe;
pub mod schedule;
pub mod settle;
pub mod standstill;
pub mod table;
pub mod verdict;
