//! The app: its connections, its drain and reloads, and for uWSGI the Emperor's protocol, the master and the workers.
//!
//! Rooms, each of which uses only those before it: connections, master, uwsgi, drain, wind_down, notify, running, accepts,
//! readying, retiring, succession, reload.

pub mod accepts;
pub mod connections;
pub mod drain;
pub mod master;
pub mod notify;
pub mod readying;
pub mod reload;
pub mod retiring;
pub mod running;
pub mod succession;
pub mod uwsgi;
pub mod wind_down;
