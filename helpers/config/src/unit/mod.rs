//! What a vassal's file adds to its unit: directives of `[Unit]` and `[Service]`, limits of cgroups.
//!
//! Rooms, each of which uses only those before it: numbers, values, cgroup, directives.

pub(crate) mod cgroup;
pub mod directives;
pub mod numbers;
pub mod values;
