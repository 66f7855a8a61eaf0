//! The process of the app, from the fork to its exec.
//!
//! Rooms, each of which uses only those before it: supervise, channel, activation, liveness, program, order, launch.

pub mod activation;
pub mod channel;
pub mod launch;
pub mod liveness;
pub mod order;
mod program;
pub mod supervise;
