//! The program: what systemd runs at boot and at every daemon-reload (systemd.generator(7)).

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where the files are read, for tests and for images; `/` when it is not set.
const ROOT_VARIABLE: &str = "VASSAL_ROOT";
/// The most lines that go into the kernel's log, which has a rate limit and belongs to everybody.
const LOG_LINES: usize = 20;
/// The most bytes of a line; the kernel takes no record of more than 1024.
const LOG_BYTES: usize = 900;

/// The program, with the words behind its name; `generate` does the work in the machine below the first path, for the second.
pub fn run(arguments: &[OsString], generate: impl Fn(&Path, &Path) -> Vec<String>) -> ExitCode {
    let directories: Vec<PathBuf> = arguments.iter().map(PathBuf::from).collect();
    let out = match directories.as_slice() {
        [normal] | [normal, _, _] => normal.clone(),
        // systemd always names directories, and there is none that would do for a run by hand: in /tmp others lay links.
        _ => {
            eprintln!("usage: vassal-generator NORMAL-DIR [EARLY-DIR LATE-DIR]");
            return ExitCode::from(64);
        }
    };
    let root = std::env::var_os(ROOT_VARIABLE).map_or_else(|| PathBuf::from("/"), PathBuf::from);
    let problems = generate(&root, &out);
    report(&problems, &root);
    // What could be generated is there, and what could not is told by vassal-enter when it is started: a failed
    // generator would only add a line that names nothing.
    ExitCode::SUCCESS
}

/// Tells the problems on standard error, and as that is lost at boot also in the kernel's log.
fn report(problems: &[String], root: &Path) {
    let mut kernel = (root == Path::new("/"))
        .then(|| OpenOptions::new().write(true).open("/dev/kmsg").ok())
        .flatten();
    for problem in problems {
        eprintln!("vassal-generator: {problem}");
    }
    let Some(log) = &mut kernel else { return };
    for problem in problems.iter().take(LOG_LINES) {
        // Each write(2) is a record. One that is lost is on standard error all the same.
        log.write_all(record(problem).as_bytes()).ok();
    }
}

/// A line of the kernel's log, at the level of a warning.
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
