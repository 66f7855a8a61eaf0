//! Hooks: the operations of a phase in their order, and what each does.

pub mod atexit;
pub mod command;
pub mod mount;
pub mod output;
pub mod own_root;
pub mod perform;
pub mod remedy;
pub mod run;
pub mod simple_command;
pub mod waits;
