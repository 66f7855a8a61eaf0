//! Bad input, on booted machines: each fault is told once, in one clear line, and disturbs nobody else; one that only a change of
//! the configuration can mend is not tried again, one that may pass is.
//!
//! A fault is a [`case::Case`] in one of the tables; [`scene::Scene`] tries it beside a healthy vassal. What a table finds is
//! collected and told together at its end.
#![forbid(unsafe_code)]

#[path = "badinput/case.rs"]
mod case;
#[path = "badinput/complaints.rs"]
mod complaints;
#[path = "badinput/emperor.rs"]
mod emperor;
#[path = "badinput/generator.rs"]
mod generator;
#[path = "badinput/judge.rs"]
mod judge;
#[path = "badinput/mended.rs"]
mod mended;
#[path = "badinput/names.rs"]
mod names;
#[path = "badinput/passing.rs"]
mod passing;
#[path = "badinput/scene.rs"]
mod scene;
#[path = "badinput/wrong_file.rs"]
mod wrong_file;
#[path = "badinput/wrong_hook.rs"]
mod wrong_hook;
#[path = "badinput/wrong_option.rs"]
mod wrong_option;
#[path = "badinput/wrong_place.rs"]
mod wrong_place;

use std::time::Duration;

/// More than anything here takes on a busy host.
const LIMIT: Duration = Duration::from_secs(20);
