//! What a file adds to its vassal's unit: directives of `[Unit]` and `[Service]`, control groups.

pub(crate) mod cgroup;
pub mod directives;
pub mod values;
