//! Processes: creating, signalling and scheduling them, and their privileges.
//!
//! Rooms, each of which uses only those before it: proc, clone, pidfd, signals, scheduler, caps, creds, denied_calls, seccomp.

pub mod caps;
pub mod clone;
pub mod creds;
pub mod denied_calls;
pub mod pidfd;
pub mod proc;
pub mod scheduler;
pub mod seccomp;
pub mod signals;
