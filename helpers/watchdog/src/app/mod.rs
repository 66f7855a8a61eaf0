//! The app: uWSGI's protocol with its Emperor, its master and workers, its connections, its notifications and reloads.

pub mod connections;
pub mod drain;
pub mod farewell;
pub mod master;
pub mod notify;
pub mod reload;
pub mod uwsgi;
