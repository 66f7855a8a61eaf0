//! Mounts: listing and changing them.
//!
//! Rooms, each of which uses only those before it: attach, namespace, spot, mountinfo, fusectl, statfs.

pub mod attach;
pub mod fusectl;
pub mod mountinfo;
mod namespace;
mod spot;
pub mod statfs;

pub use namespace::{copy_of_proc, detach, detached_proc, is_mounted, make_all_slave, pivot, replace_proc};
pub use spot::{Spot, mount_of, place, place_of, spot};
