//! The process of the app, from the fork to its exec.
//!
//! Rooms, each of which uses only those before it: stream, supervise, channel, program, order, launch.

pub mod channel;
pub mod launch;
pub mod order;
mod program;
pub mod stream;
pub mod supervise;
