//! Files, of which a tenant may have written the path.
//!
//! Rooms, each of which uses only those before it: reach, passwd.

pub mod passwd;
pub mod reach;
