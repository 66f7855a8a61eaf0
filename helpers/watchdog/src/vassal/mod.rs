//! A vassal's life: its state ([`state`]), its main loop ([`run`]), and the parts of that.
//!
//! Rooms, each of which uses only those before it: poller, freezer, state, freeze, overlap, record, end, ask, wait, messages,
//! turnover, run, children, take_over.

mod ask;
mod children;
mod end;
mod freeze;
mod freezer;
mod messages;
mod overlap;
mod poller;
mod record;
mod run;
mod state;
mod take_over;
mod turnover;
mod wait;

pub use state::Vassal;
