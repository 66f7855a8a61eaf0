//! A booted machine: its root, its cgroup, its boot and its end.

pub mod boot;
pub mod cgroup;
pub mod keeper;
pub mod layer;
pub mod machine;
pub mod nspawn;
pub mod rootfs;
pub mod stage;
pub mod standstill;
pub mod startup;
pub mod sweep;
pub mod teardown;
pub mod tight;
