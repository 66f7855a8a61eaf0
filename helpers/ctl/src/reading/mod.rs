//! Reading files as a start would, and what is found on the way.

pub mod cgroup;
pub mod dry_run;
pub mod emperor_file;
pub mod finding;
pub mod fleet;
pub mod journal;
pub mod location;
pub mod nearest;
pub mod processes;
pub mod record;
pub mod recover;
pub mod rule;
pub mod small_files;
pub mod targets;
pub mod units;
