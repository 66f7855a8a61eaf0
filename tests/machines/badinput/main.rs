//! Bad input, on booted machines: each fault is told once, in one clear line, and disturbs nobody else; one that only a change of
//! the configuration can mend is not tried again, one that may pass is.
//!
//! A fault is a [`case::Case`] in one of the tables; [`scene::Scene`] tries it beside a healthy vassal. What a table finds is
//! collected and told together at its end.
#![forbid(unsafe_code)]

mod case;
mod complaints;
mod emperor;
mod generator;
mod judge;
mod mended;
mod names;
mod passing;
mod scene;
mod wrong_file;
mod wrong_hook;
mod wrong_option;
mod wrong_place;

use std::time::Duration;

/// More than anything here takes on a busy host.
const LIMIT: Duration = Duration::from_secs(20);
