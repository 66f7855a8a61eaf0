//! The vassals that are restarted, and the clients that must not notice.

pub mod client;
pub mod scene;
pub mod steady;
pub mod writer;
