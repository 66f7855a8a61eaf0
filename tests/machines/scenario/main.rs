//! The scenario, end to end, on booted machines with the package installed: one module for each point of what must work.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and does not get ends it, with the reason"
)]

mod app;
mod filesystems;

mod emperor;
mod event;
mod guide;
mod journal;
mod names;
mod options;
mod package;
mod tool;
mod units;
mod vassals;
mod watched;
mod watches;

use std::time::Duration;

/// More than anything here takes on a busy host.
const LIMIT: Duration = Duration::from_secs(20);
