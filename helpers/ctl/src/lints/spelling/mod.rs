//! Lints about names that have no meaning where they are.

pub mod missing_plugin;
pub mod unit_directives;
pub mod unknown_option;
pub mod unknown_section;
pub mod written;
