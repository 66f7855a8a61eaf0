//! The machine on which a configuration is read: the trait [`world::World`], the real machine, and the parsers of its
//! files.
//!
//! Rooms, each of which uses only those before it: world, exec_source, files, process, text_files, accounts, trusted, system, fake.

pub mod accounts;
pub(crate) mod exec_source;
pub mod fake;
pub(crate) mod files;
pub mod process;
pub mod system;
pub(crate) mod text_files;
pub mod trusted;
pub mod world;
