//! The kernel steps of vassal: one function, one step, with the man page it comes from.
//!
//! This is the only crate that contains `unsafe`; everything nix wraps is used through nix, and the calls below are
//! those it lacks (clone3, the fd-based mount API, close_range, capset). It may import nix and libc, and of
//! ours vassal-escape. It is *non-logging*: every failure is a value ([`SysError`]) that names the step and its object.
//!
//! Start reading at [`clone`] (the one way into the namespaces), [`mounts`] and [`creds`] (the one way down). [`allocator`] alone is no kernel step: an allocator, here because
//! it cannot be written without `unsafe`.
//!
//! All functions assume a single-threaded caller; [`clone::ensure_single_threaded`] is how the binaries check it.

pub mod allocator;
pub mod scheduler;
pub mod statfs;

pub mod attach;
pub mod byte_locks;
pub mod caps;
pub mod clone;
pub mod creds;
pub mod error;
pub mod fds;
pub mod fusectl;
pub mod mountinfo;
pub mod mounts;
pub mod passwd;
pub mod pidfd;
pub mod reach;
pub mod seccomp;
pub mod signals;

pub use error::SysError;
