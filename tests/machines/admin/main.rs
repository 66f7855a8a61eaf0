//! What an administrator sees and does with vassalctl, on booted machines: health records, lists, states, limits, metrics.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and does not get ends it, with the reason"
)]

mod completion;
mod limits;
mod list;
mod monitoring;
mod record;
mod scene;
mod trouble;
mod verbs;
mod watched;
