//! What a file adds to its vassal's unit: directives of `[Unit]` and `[Service]`, control groups.
//!
//! Rooms, each of which uses only those before it: numbers, values, cgroup, directives.

pub(crate) mod cgroup;
pub mod directives;
pub mod numbers;
pub mod values;
