//! What a test does inside a machine: files, processes, requests, units.

pub mod files;
pub mod fuse;
pub mod http;
pub mod install;
pub mod processes;
pub mod run;
pub mod units;
