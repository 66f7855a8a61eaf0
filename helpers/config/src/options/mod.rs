//! uWSGI's options: a table with a row for each, what becomes of each, and which values it takes.
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
