//! Files, of which a tenant may have written the path.
//!
//! Rooms, each of which uses only those before it: reach, stored, byte_locks.

pub mod byte_locks;
pub mod reach;
pub mod stored;
