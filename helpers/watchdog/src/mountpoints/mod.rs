//! The watched mountpoints: when and how each is asked, and what the answers mean.
//!
//! Rooms, each of which uses only those before it: disturbed, verdict, schedule, coalesce, throttle, standstill, table,
//! statfs_probe, pending, mountpoint.

pub mod coalesce;
pub mod disturbed;
pub mod mountpoint;
mod pending;
pub mod schedule;
pub mod standstill;
pub mod statfs_probe;
pub mod table;
pub mod throttle;
pub mod verdict;
