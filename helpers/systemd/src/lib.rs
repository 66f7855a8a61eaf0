//! Communication with systemd and journald: notifications, events, lines on standard error. It also has the tables of
//! everything that is reported (exit codes, MESSAGE_IDs, status sentences, verdicts, variables), with which tests
//! compare the documents.
//!
//! Nothing here blocks on a reader: messages for which there is no room are kept ([`send_queue`], [`lines`]) and sent
//! later. May import vassal-sys and vassal-escape. Start reading at [`notify`].
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
