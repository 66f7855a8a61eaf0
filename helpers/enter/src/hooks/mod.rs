//! Hooks: the operations of a phase in their order, and what each does.
//!
//! Rooms, each of which uses only those before it: remedy, output, refusal, argv, simple_command, command, own_root, session,
//! actions, run, atexit.

pub mod actions;
pub mod argv;
pub mod atexit;
pub mod command;
pub mod output;
pub mod own_root;
pub mod refusal;
pub mod remedy;
pub mod run;
pub mod session;
pub mod simple_command;
