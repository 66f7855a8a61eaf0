//! The app: uWSGI's protocol with its Emperor, its master and workers, its connections, its notifications and reloads.
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
