//! Attacks on FUSE connections and the table of mounts: whose connection is aborted, and what others' mounts cost.

mod foreign;
mod scene;
mod table;
mod watched;
