//! What an administrator meets in a year of operation, on booted machines: many vassals, reboots and failures, stops, files as
//! people have them, and what he is told about them.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and does not get ends it, with the reason"
)]

mod advice;
mod boot;
mod emperor_files;
mod health;
mod many;
mod names;
mod opened_by_root;
mod roles;
mod slow;
mod starts;
mod stop;
