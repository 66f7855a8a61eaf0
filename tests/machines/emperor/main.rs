//! Live changes of the vassals' files, on booted machines: what vassal-emperor.service makes of them, and that the files are the
//! only truth whatever happens to it.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and does not get ends it, with the reason"
)]

mod broken;
mod by_hand;
mod directories;
mod editors;
mod failures;
mod files;
mod kept_on_demand;
mod load;
mod many;
mod on_demand;
mod options;
mod scene;
mod soak;
mod truth;
