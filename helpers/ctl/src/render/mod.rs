//! Formats and prints results.

pub mod amounts;
pub mod check_report;
pub mod describe;
pub mod man_page;
pub mod metrics;
pub mod output;
pub mod pager;
pub mod paragraph;
pub mod rows;
pub mod sentences;
pub mod snippet;
pub mod table;
pub mod uwsgi_stats;
pub mod vassal_json;
