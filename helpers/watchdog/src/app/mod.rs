//! The app: uWSGI's protocol with its Emperor, its master and workers, its connections, its notifications and reloads.

pub mod asking;
pub mod connections;
pub mod drain;
pub mod farewell;
pub mod master;
pub mod notify;
pub mod readying;
pub mod reload;
pub mod retiring;
pub mod running;
pub mod uwsgi;
