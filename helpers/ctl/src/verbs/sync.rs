//! `vassalctl sync`: what vassal-emperor.service would do now is done, or shown.

use crate::arguments::Sync;
use std::process::ExitCode;
use vassal_emperor::{DRY_RUN, ONCE};

/// Does, or shows it.
pub fn run(arguments: &Sync) -> ExitCode {
    let words = [ONCE, DRY_RUN].map(std::ffi::OsString::from);
    vassal_emperor::run(if arguments.dry_run { &words } else { &words[..1] })
}
