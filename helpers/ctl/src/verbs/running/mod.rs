//! The verbs that show or change running vassals.

pub mod enter;
pub mod list;
pub mod logs;
pub mod metrics;
pub mod nagios;
pub mod names;
pub mod run;
pub mod serve;
pub mod stats;
pub mod status;
pub mod top;
pub mod units;
