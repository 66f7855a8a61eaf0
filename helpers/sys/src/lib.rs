//! The kernel steps of vassal: one function, one step, with the man page it comes from.
//!
//! This is the only crate that contains `unsafe`; everything nix wraps is used through nix, and the calls below are
//! those it lacks (clone3, the fd-based mount API, close_range, capset). It may import nix and libc, and nothing of
//! ours. It is *non-logging*: every failure is a value ([`SysError`]) that names the step and its object.
//!
//! Start reading at [`clone`] (the one way into the namespaces), [`mounts`] and [`creds`] (the one way down), and
//! [`handoff`] (what `vassal-enter` leaves to `vassal-watchdog`). [`bump`] alone is no kernel step: an allocator, here because
//! it cannot be written without `unsafe`.
//!
//! All functions assume a single-threaded caller; [`clone::ensure_single_threaded`] is how the binaries check it.

pub mod ask;
pub mod attach;
pub mod bump;
pub mod caps;
pub mod clone;
pub mod control;
pub mod creds;
pub mod error;
pub mod exit;
pub mod fds;
pub mod fusectl;
pub mod handoff;
pub mod journal;
pub mod lines;
pub mod memo;
pub mod mountinfo;
pub mod mounts;
pub mod notify;
pub mod outbox;
pub mod passwd;
pub mod pidfd;
pub mod prompt;
pub mod reach;
pub mod request;
pub mod seccomp;
pub mod signals;
pub mod text;
pub mod unsent;

pub use error::SysError;
