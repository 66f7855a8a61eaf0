//! Reads files as a start would, and collects findings.

pub mod dry_run;
pub mod emperor_file;
pub mod finding;
pub mod location;
pub mod nearest;
pub mod recover;
pub mod rule;
pub mod targets;
