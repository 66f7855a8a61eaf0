//! How a filesystem that does not answer is told from one that is slow.

pub mod asleep_since;
pub mod attribute;
pub mod monitor;
pub mod wait_channel;
