//! Deploys, on booted machines: what the clients of an app notice when it is reloaded with new code, with broken code, and when
//! something ends in the midst of that.
//!
//! Start reading at [`overlap`], with an app that takes its time to load.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and does not get ends it, with the reason"
)]

mod broken;
#[path = "../continuity/setup/client.rs"]
#[allow(dead_code, reason = "that suite has more kinds of clients")]
mod client;
mod commands;
mod examples;
mod health;
mod heartbeat;
mod in_place;
mod interrupted;
mod links;
mod overlap;
mod relieved;
mod routed;
mod scene;

use std::time::Duration;

/// More than anything here takes on a busy host.
const LIMIT: Duration = Duration::from_secs(40);
