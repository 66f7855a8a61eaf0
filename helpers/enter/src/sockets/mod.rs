//! The listening sockets, which outlive a run of the vassal.
//!
//! Rooms, each of which uses only those before it: open, unix, store, systemds.

pub mod open;
pub mod store;
pub mod systemds;
pub mod unix;
