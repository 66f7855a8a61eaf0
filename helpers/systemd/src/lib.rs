//! Talking to systemd and journald: notifications, events, lines on standard error; and the tables of what
//! is said: exit codes, MESSAGE_IDs, sentences of the status line, verdicts, variables. Documents and tests compare themselves with those.
//!
//! Nothing here waits for a reader: what there is no room for is kept ([`send_queue`], [`lines`]) and sent later. It may import
//! vassal-sys and
//! vassal-escape. Start reading at [`notify`].
//!
//! Rooms, each of which uses only those before it: exit, events, status, verdicts, variables, priority, send_queue, lines, notify, journal.
#![forbid(unsafe_code)]

pub mod events;
pub mod exit;
pub mod journal;
pub mod lines;
pub mod notify;
mod priority;
pub mod send_queue;
pub mod status;
pub mod variables;
pub mod verdicts;
