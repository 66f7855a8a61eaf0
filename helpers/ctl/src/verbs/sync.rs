//! `vassalctl sync`: does once what vassal-emperor.service would do now, or shows it.

use crate::arguments::Sync;
use std::process::ExitCode;
use vassal_emperor::{DRY_RUN, ONCE};
use vassal_systemd::lines;

/// Does it, or shows it.
pub fn run(arguments: &Sync) -> ExitCode {
    lines::are_of_command("vassalctl");
    let words = [ONCE, DRY_RUN].map(std::ffi::OsString::from);
    vassal_emperor::run(if arguments.dry_run { &words } else { &words[..1] })
}
