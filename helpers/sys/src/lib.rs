//! Kernel steps: each function does one, and names the man page that describes it.
//!
//! The only crate that contains `unsafe`. Everything that nix wraps is used through nix; the calls made here directly
//! are those it lacks (clone3, the descriptor-based mount API, close_range, capset). May import nix, libc and
//! vassal-escape. It does not log: a failure is a value ([`SysError`]) that names the step and its object.
//!
//! Start reading at [`clone`] (the one way into the namespaces), [`mounts`] and [`creds`] (the one way down).
//!
//! All functions assume a single-threaded caller; [`clone::ensure_single_threaded`] is how the binaries check it.
//!
//! Rooms, each of which uses only those before it: error, deadline, memory, descriptors, process, files, mounts.

pub mod deadline;
mod descriptors;
pub mod error;
mod files;
#[cfg(feature = "memory")]
pub mod memory;
pub mod mounts;
mod process;

pub use descriptors::{directory, fds, tcp};
pub use error::SysError;
pub use files::{byte_locks, reach, stored};
pub use mounts::{attach, fusectl, mountinfo, statfs};
pub use process::{caps, clone, creds, denied_calls, pidfd, proc, scheduler, seccomp, signals};
