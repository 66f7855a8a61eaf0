//! Attacks on FUSE connections and the table of mounts: whose connection is aborted, and what others' mounts cost.
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and does not get ends it, with the reason"
)]

mod foreign;
mod limits;
pub mod scene;
mod swapped;
mod table;
mod watched;
