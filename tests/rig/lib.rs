//! The rig of the machine tests: booted Debian machines with a real systemd, made and destroyed in well under a second.
//!
//! A [`Machine`] is a systemd-nspawn container whose root is an overlay, on a fresh tmpfs, of a cached Debian root
//! (`machines/rootfs.sh`) and of whatever [`Layer`]s a test adds: usually [`installed`], the package under test. Everything it
//! mounts lives in a mount namespace of its own and everything it runs in a cgroup and a PID namespace of its own, so that the
//! host sees nothing of it, and nothing of it survives the test: `Drop` proves that, and a killed test run takes its machines along.
//!
//! Start reading at [`Machine::boot`], then [`Boot`] for the options. Needs root and the packages of `machines/setup.sh`.
//! The library logs nothing: what goes wrong while booting is a [`Failure`]; what a test demanded and did not get is a panic that
//! shows what was seen instead. It must not import any crate of the product: the rig judges them from outside.
#![forbid(unsafe_code)]

mod container;
mod inside;

mod cow;
mod failure;
pub mod fixtures;
pub mod seed;
mod suite;

pub use container::boot::{Boot, FuseNode};
pub use container::layer::{Layer, installed, package};
pub use container::machine::Machine;
pub use container::standstill::Halt;
pub use container::tight::{Scarce, Tight};
pub use failure::Failure;
pub use inside::files::Owner;
pub use inside::http::HttpError;
pub use inside::run::{AS_USER001, Output};
pub use nix::sys::signal::Signal;
pub use nix::unistd::Pid;
pub use suite::{Suite, on_each_suite};
