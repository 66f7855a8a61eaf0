//! uWSGI's options: the table with a row for each, what becomes of an option, and what values it has.
//!
//! Rooms, each of which uses only those before it: flag, disposition, id, row, table, lookup, plugin_table, plugins, plugin_words,
//! values.

pub mod disposition;
pub mod flag;
pub mod id;
pub mod lookup;
pub(crate) mod plugin_table;
pub(crate) mod plugin_words;
pub mod plugins;
pub mod row;
pub mod table;
pub(crate) mod values;
