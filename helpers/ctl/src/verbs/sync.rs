//! `vassalctl sync`: what vassal-emperor.service would do now is done, or shown. It is that program's work, which has systemd's D-Bus
//! in its tree; this one only calls it.

use crate::arguments::Sync;
use crate::render::output;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// The program of vassal-emperor.service.
const EMPEROR: &str = "/usr/lib/vassal/vassal-emperor";

/// Becomes that program.
pub fn run(arguments: &Sync) -> ExitCode {
    let mut command = Command::new(EMPEROR);
    command.arg("--once");
    if arguments.dry_run {
        command.arg("--dry-run");
    }
    let error = command.exec();
    output::fail(&format!("cannot run '{EMPEROR}': {error}"))
}
