//! The app: uWSGI's protocol with its Emperor, its master and workers, its connections, its notifications and reloads.
//!
//! Rooms, each of which uses only those before it: connections, master, uwsgi, drain, wind_down, notify, reload, accepts.

pub mod accepts;
pub mod connections;
pub mod drain;
pub mod master;
pub mod notify;
pub mod reload;
pub mod uwsgi;
pub mod wind_down;
