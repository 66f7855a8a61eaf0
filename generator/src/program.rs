//! The program that systemd runs at boot and at every daemon-reload (systemd.generator(7)).

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The environment variable for the root directory below which files are read, for tests and images; `/` by default.
const ROOT_VARIABLE: &str = "VASSAL_ROOT";
/// The most lines written to the kernel's log, which is rate limited and shared by all programs.
const LOG_LINES: usize = 20;
/// The most bytes of a line; the kernel takes no record of more than 1024.
const LOG_BYTES: usize = 900;

/// Runs the program with `arguments`, those after its name. `generate` gets the root directory and the output
/// directory.
pub fn run(arguments: &[OsString], generate: impl Fn(&Path, &Path) -> Vec<String>) -> ExitCode {
    let directories: Vec<PathBuf> = arguments.iter().map(PathBuf::from).collect();
    let out = match directories.as_slice() {
        [normal] | [normal, _, _] => normal.clone(),
        // systemd always passes the directories. There is no safe default for a run by hand: in /tmp other users can
        // place links.
        _ => {
            eprintln!("usage: vassal-generator NORMAL-DIR [EARLY-DIR LATE-DIR]");
            return ExitCode::from(64);
        }
    };
    let root = std::env::var_os(ROOT_VARIABLE).map_or_else(|| PathBuf::from("/"), PathBuf::from);
    let problems = generate(&root, &out);
    report(&problems, &root);
    // Success even with problems: everything possible was generated, and vassal-enter reports the problems of a vassal
    // when it is started. A failure code would only add a message without a file name.
    ExitCode::SUCCESS
}

/// Prints the problems on standard error and, as that is lost at boot, also into the kernel's log.
fn report(problems: &[String], root: &Path) {
    let mut kernel = (root == Path::new("/"))
        .then(|| OpenOptions::new().write(true).open("/dev/kmsg").ok())
        .flatten();
    for problem in problems {
        eprintln!("vassal-generator: {problem}");
    }
    let Some(log) = &mut kernel else { return };
    for problem in problems.iter().take(LOG_LINES) {
        // Each write(2) is a record. A lost one is still on standard error.
        log.write_all(record(problem).as_bytes()).ok();
    }
}

/// A line of the kernel's log with the priority of a warning.
fn record(problem: &str) -> String {
    let mut ends = (0..=problem.len().min(LOG_BYTES)).rev();
    let end = ends.find(|end| problem.is_char_boundary(*end)).unwrap_or(0);
    let more = if end < problem.len() { "..." } else { "" };
    format!("<4>vassal-generator: {}{more}\n", &problem[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_record_is_longer_than_the_kernel_takes() {
        assert_eq!(record("x.ini: y"), "<4>vassal-generator: x.ini: y\n");
        let long = record(&"\u{e4}".repeat(2000));
        assert!(long.len() < 1000 && long.ends_with("\u{e4}...\n"), "{long}");
    }
}
