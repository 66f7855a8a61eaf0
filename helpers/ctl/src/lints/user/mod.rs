//! Lints about users and what they may open.

pub mod file_directory;
pub mod foreign_root;
pub mod low_port;
pub mod made_by_user;
pub mod missing_user;
pub mod opened_by_user;
pub mod pivot_without_uid;
