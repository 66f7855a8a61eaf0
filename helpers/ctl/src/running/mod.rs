//! Facts about running vassals: units, health records, cgroups, processes, the journal.

pub mod cgroup;
pub mod files;
pub mod fleet;
pub mod hits;
pub mod journal;
pub mod limited;
pub mod processes;
pub mod record;
pub mod small_files;
pub mod threads;
pub mod units;
