//! Files, of which a tenant may have written the path.
//!
//! Rooms, each of which uses only those before it: reach, stored.

pub mod reach;
pub mod stored;
