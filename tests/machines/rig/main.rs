//! The rig tests itself first: what the other suites rely on, and that it leaves nothing behind.
#![forbid(unsafe_code)]

mod contact;
mod fuse;
mod layers;
mod remains;
mod scenario;

use std::time::Duration;

/// More than anything here takes on a busy host.
const LIMIT: Duration = Duration::from_secs(20);
