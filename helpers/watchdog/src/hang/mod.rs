//! Distinguishes a filesystem that hangs from one that is slow.
//!
//! Rooms, each of which uses only those before it: asleep_since, wait_channel, attribute, monitor.

pub mod asleep_since;
pub mod attribute;
pub mod monitor;
pub mod wait_channel;
