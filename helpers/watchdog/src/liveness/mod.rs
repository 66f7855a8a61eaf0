//! Whether a serving app is still well: it is asked by HTTP (`health`), or sends a heartbeat (`WATCHDOG=1`). What it
//! answers or sends has no other influence.
//!
//! Rooms, each of which uses only those before it: verdict, way, http, question, check, heartbeat.

pub mod check;
pub mod heartbeat;
pub mod http;
pub mod question;
pub mod verdict;
pub mod way;
