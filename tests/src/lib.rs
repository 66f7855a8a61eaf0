//! The rig of the machine tests: booted Debian machines with a real systemd, made and destroyed in well under a second.
//!
//! A [`Machine`] is a systemd-nspawn container whose root is an overlay, on a fresh tmpfs, of a cached Debian root
//! (`machine/rootfs.sh`) and of whatever [`Layer`]s a test adds: usually [`installed`], the package under test. Everything it
//! mounts lives in a mount namespace of its own and everything it runs in a cgroup and a PID namespace of its own, so that the
//! host sees nothing of it, and nothing of it survives the test: `Drop` proves that, and a killed test run takes its machines along.
//!
//! Start reading at [`Machine::boot`], then [`Boot`] for the options. Needs root and the packages of `machine/setup.sh`.
//! The library logs nothing: what goes wrong while booting is a [`Failure`]; what a test demanded and did not get is a panic that
//! shows what was seen instead. It must not import any crate of the product: the rig judges them from outside.
#![forbid(unsafe_code)]

mod boot;
mod cgroup;
mod cow;
mod failure;
mod files;
pub mod fixtures;
mod fuse;
mod http;
mod install;
mod keeper;
mod layer;
mod machine;
mod nspawn;
mod processes;
mod rootfs;
mod run;
pub mod seed;
mod stage;
mod standstill;
mod startup;
mod suite;
mod sweep;
mod teardown;
mod tight;
mod units;

pub use boot::{Boot, FuseNode};
pub use failure::Failure;
pub use files::Owner;
pub use http::HttpError;
pub use layer::{Layer, installed, package};
pub use machine::Machine;
pub use nix::sys::signal::Signal;
pub use nix::unistd::Pid;
pub use run::{AS_USER001, Output};
pub use standstill::Halt;
pub use suite::{Suite, on_each_suite};
pub use tight::{Scarce, Tight};
