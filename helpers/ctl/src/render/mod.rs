//! How results are printed.

pub mod describe;
pub mod man_page;
pub mod output;
pub mod snippet;
pub mod table;
