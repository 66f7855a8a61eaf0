//! The sockets that outlive their vassal.
//!
//! Rooms, each of which uses only those before it: open, unix, store.

pub mod open;
pub mod store;
pub mod unix;
