//! The rig tests itself first: what the other suites rely on, and that it leaves nothing behind.
#![forbid(unsafe_code)]

#[path = "rig_test/contact.rs"]
mod contact;
#[path = "rig_test/fuse.rs"]
mod fuse;
#[path = "rig_test/layers.rs"]
mod layers;
#[path = "rig_test/remains.rs"]
mod remains;
#[path = "rig_test/scenario.rs"]
mod scenario;

use std::time::Duration;

/// More than anything here takes on a busy host.
const LIMIT: Duration = Duration::from_secs(20);
