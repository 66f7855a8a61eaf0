//! The process of the app, from the fork to its exec.

pub mod channel;
pub mod launch;
pub mod supervise;
