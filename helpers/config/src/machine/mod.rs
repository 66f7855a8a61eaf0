//! The machine that a configuration is read on: the trait [`world::World`], the real one, and what is read of its files.

pub mod accounts;
pub(crate) mod exec_source;
#[cfg(test)]
pub(crate) mod fake;
pub mod system;
pub mod trusted;
pub mod world;
