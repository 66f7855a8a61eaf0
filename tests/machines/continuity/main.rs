//! Continuity, on booted machines: what a client, and what a writer, notices of kills, restarts, stops and crashes.
//!
//! Start reading at [`setup::client`], which asks and counts, and [`kills`], where that matters most.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and does not get ends it, with the reason"
)]

mod setup;

mod addresses;
mod commits;
mod failing;
mod hangs;
mod kills;
mod losses;
mod races;
mod reloads;
mod restarts;
mod saves;
mod unix_files;
mod unix_sockets;

use std::time::Duration;

/// More than anything here takes on a busy host.
const LIMIT: Duration = Duration::from_secs(30);
