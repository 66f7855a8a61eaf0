//! The scenario, end to end, on booted machines with the package installed: one module for each point of what must work.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and does not get ends it, with the reason"
)]

#[path = "scenario/commit.rs"]
mod commit;
#[path = "scenario/copy_on_write.rs"]
mod copy_on_write;
#[path = "scenario/emperor.rs"]
mod emperor;
#[path = "scenario/event.rs"]
mod event;
#[path = "scenario/fuse_overlay.rs"]
mod fuse_overlay;
#[path = "scenario/guide.rs"]
mod guide;
#[path = "scenario/journal.rs"]
mod journal;
#[path = "scenario/names.rs"]
mod names;
#[path = "scenario/options.rs"]
mod options;
#[path = "scenario/overlay.rs"]
mod overlay;
#[path = "scenario/package.rs"]
mod package;
#[path = "scenario/payload.rs"]
mod payload;
#[path = "scenario/privileges.rs"]
mod privileges;
#[path = "scenario/readiness.rs"]
mod readiness;
#[path = "scenario/reload.rs"]
mod reload;
#[path = "scenario/sockets.rs"]
mod sockets;
#[path = "scenario/tool.rs"]
mod tool;
#[path = "scenario/units.rs"]
mod units;
#[path = "scenario/unix_sockets.rs"]
mod unix_sockets;
#[path = "scenario/vassals.rs"]
mod vassals;
#[path = "scenario/watched.rs"]
mod watched;
#[path = "scenario/watches.rs"]
mod watches;
#[path = "scenario/zip.rs"]
mod zip;

use std::time::Duration;

/// More than anything here takes on a busy host.
const LIMIT: Duration = Duration::from_secs(20);
