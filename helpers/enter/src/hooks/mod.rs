//! Hooks: the operations of a phase in their order, and what each does.
//!
//! Rooms, each of which uses only those before it: remedy, output, refusal, argv, simple_command, command, foreign, own_root, session,
//! actions, run, action_codec, atexit_record, atexit.

pub mod action_codec;
pub mod actions;
pub mod argv;
pub mod atexit;
pub mod atexit_record;
pub mod command;
mod foreign;
pub mod output;
pub mod own_root;
pub mod refusal;
pub mod remedy;
pub mod run;
pub mod session;
pub mod simple_command;
