//! The filesystems of the scenario: archives, layers, what is committed when they end.

pub mod commit;
pub mod copy_on_write;
pub mod fuse_overlay;
pub mod overlay;
pub mod zip;
