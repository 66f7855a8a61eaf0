//! What the verbs that change something have in common.

use crate::arguments::Place;
use crate::render::output;
use crate::running::cgroup::Detail;
use crate::running::fleet::Fleet;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Output, Stdio};

/// The vassals of this machine, on which verbs act.
///
/// # Errors
/// The exit code when there are none to be found.
pub fn gather() -> Result<Fleet, ExitCode> {
    let fleet = Fleet::gather(&Place::this_machine(), Detail::Line);
    fleet.map_err(|why| output::fail_with(&why, output::FAILED))
}

/// Becomes `command`.
pub fn execute(mut command: Command) -> ExitCode {
    let error = command.exec();
    let name = command.get_program().to_string_lossy().into_owned();
    output::fail_with(&format!("cannot run '{name}': {error}"), output::FAILED)
}

/// Runs systemctl(1) with `arguments`, silently.
///
/// # Errors
/// When it cannot be run, or says that something went wrong.
pub fn systemctl(arguments: &[&str]) -> Result<Output, String> {
    let output = Command::new("systemctl")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run 'systemctl': {error}"))?;
    match output.status.success() {
        true => Ok(output),
        false => Err(format!(
            "systemctl {}: {}",
            arguments.first().unwrap_or(&""),
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}
