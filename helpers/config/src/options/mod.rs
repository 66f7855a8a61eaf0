//! uWSGI's options: the table with a row for each, who takes an option, and what values it has.

pub mod disposition;
pub mod flag;
pub mod lookup;
pub(crate) mod plugin_table;
pub mod plugins;
pub(crate) mod strings;
pub(crate) mod table;
pub(crate) mod values;
