//! Whether an app that serves is still well: it is asked by HTTP (`health`), or says so itself (`WATCHDOG=1`). Whatever it answers
//! or sends decides that and nothing else.
//!
//! Rooms, each of which uses only those before it: verdict, way, http, question, check, heartbeat.

pub mod check;
pub mod heartbeat;
pub mod http;
pub mod question;
pub mod verdict;
pub mod way;
