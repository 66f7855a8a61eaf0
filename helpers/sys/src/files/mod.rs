//! Access to files whose paths a tenant may have written or may control.
//!
//! Rooms, each of which uses only those before it: reach, stored, byte_locks.

pub mod byte_locks;
pub mod reach;
pub mod stored;
