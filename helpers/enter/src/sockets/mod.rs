//! The sockets that outlive their vassal.

pub mod store;
pub mod unix;
