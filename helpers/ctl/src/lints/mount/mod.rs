//! Lints about mounts and hooks.

pub mod dead_mount;
pub mod fuse_device;
pub mod mountpoint_directory;
pub mod union_branches;
pub mod union_deadlock;
pub mod unmount_at_exit;
pub mod unmounted_check;
