//! Stops: children of the master, harakiri, hooks that fail, daemons that take their time.

mod daemons;
mod foreign;
mod kinds;
mod restart;
mod scene;
