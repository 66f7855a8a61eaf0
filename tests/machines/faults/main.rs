//! Mountpoints that fail, on booted machines: that each way to fail is told by its right name, that exactly this vassal is
//! restarted, that nothing is left of the one before, and that what is only slow, busy or stopped is not convicted.
//!
//! Start reading at [`matrix`], where each fault meets each daemon; [`setup::cell`] says what must come of it, and what cannot be.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and does not get ends it, with the reason"
)]

mod setup;

mod alarms;
mod entered;
mod filesystem;
mod hooks;
mod kept;
mod matrix;
mod outside;
mod pivoted;
mod requests;
mod signs;

use std::time::Duration;

/// More than anything here takes on a busy host.
const LIMIT: Duration = Duration::from_secs(30);
