//! What the payload and the helpers may not do: capabilities, system calls, devices, set-user-id files, limits.
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and does not get ends it, with the reason"
)]

mod calls;
mod helpers;
mod mounts;
mod root;
mod scene;
mod tenant;
mod unit;
mod watchdog;
