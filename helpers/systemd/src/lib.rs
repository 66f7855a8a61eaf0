//! Talking to systemd and journald: notifications, events, lines on standard error, and the exit codes that a unit may have.
//!
//! Nothing here waits for a reader: what there is no room for is kept ([`outbox`], [`lines`]) and sent later. It may import vassal-sys and
//! vassal-escape. Start reading at [`notify`].
#![forbid(unsafe_code)]

pub mod exit;
pub mod journal;
pub mod lines;
pub mod notify;
pub mod outbox;
