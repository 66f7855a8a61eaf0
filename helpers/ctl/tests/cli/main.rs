//! The program, run on files and on machines made of a few files.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod check;
mod command_line;
mod lints;
mod machine;
mod manual;
mod migrate;
mod options;
#[path = "../../../../tests/docs/page.rs"]
mod page;
#[path = "../../../../tests/rig/seed.rs"]
mod seed;
mod show;
