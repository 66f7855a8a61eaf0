//! The app of the scenario: how it is started, reached and reloaded.

mod others;
pub mod payload;
pub mod privileges;
pub mod readiness;
pub mod reload;
pub mod sockets;
pub mod unix_sockets;
