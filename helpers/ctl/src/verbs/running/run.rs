//! Functions that the verbs for changing vassals share.

use crate::arguments::Place;
use crate::render::output;
use crate::running::cgroup::Detail;
use crate::running::fleet::Fleet;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};

/// The vassals of this machine.
///
/// # Errors
/// The exit code, if they cannot be found.
pub fn gather() -> Result<Fleet, ExitCode> {
    let fleet = Fleet::gather(&Place::this_machine(), Detail::Line);
    let fleet = fleet.map_err(|why| output::fail_with(&why, output::FAILED))?;
    // A name that is not found may be one of those that are missing.
    if !fleet.is_whole {
        fleet.problems.iter().for_each(|problem| output::warn(problem));
    }
    Ok(fleet)
}

/// Whether this process is root's.
pub fn is_roots() -> bool {
    Path::new("/proc/self")
        .metadata()
        .is_ok_and(|process| process.uid() == 0)
}

/// What is said of a file that cannot be made or removed.
pub fn refused(path: &Path, error: &io::Error) -> String {
    let hint = match error.kind() {
        ErrorKind::PermissionDenied => " (as root?)",
        _ => "",
    };
    format!("{}: {error}{hint}", path.display())
}

/// Replaces this process by `command`.
pub fn execute(mut command: Command) -> ExitCode {
    let error = command.exec();
    let name = command.get_program().to_string_lossy().into_owned();
    output::fail_with(&format!("cannot run '{name}': {error}"), output::FAILED)
}

/// Runs systemctl(1) with `arguments` and captures its output.
///
/// # Errors
/// When it cannot be run or fails.
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
