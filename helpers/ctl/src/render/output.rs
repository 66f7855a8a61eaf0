//! Prints results on standard output, completely or not at all, and free of control sequences for terminals.

pub mod colors;
mod json;

use crate::output_options::Table;
use crate::render::rows::Form;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use vassal_escape::printable;

pub use colors::has_colors;
pub use json::json;

/// Nothing was found, or everything was done.
pub const GOOD: u8 = 0;
/// There were only warnings (`check`), something would be lost (`migrate`), or uWSGI would refuse (`entries`).
pub const WARNED: u8 = 1;
/// There were errors, or the input could not be read.
pub const BAD: u8 = 2;
/// A verb about running vassals has failed.
pub const FAILED: u8 = 1;
/// Wrong command line of a verb about running vassals.
pub const WRONG_WORDS: u8 = 2;
/// Wrong command line of another verb, as with vassal's other programs.
pub const USAGE: u8 = 64;

/// The `version` of every JSON object. It is raised when a field is removed or changes its meaning, not when one is
/// added.
pub const JSON_VERSION: u32 = 1;

/// Prints `text` and returns `code`. It is no failure if the reader has closed the pipe (`| head`).
pub fn finish(text: &str, code: u8) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => fail(&format!("cannot write: {error}")),
        Ok(()) | Err(_) => ExitCode::from(code),
    }
}

/// Prints on standard error why there is no result.
pub fn fail(why: &str) -> ExitCode {
    fail_with(why, BAD)
}

/// As [`fail`], with another exit code.
pub fn fail_with(why: &str, code: u8) -> ExitCode {
    why.lines().for_each(warn);
    ExitCode::from(code)
}

/// Prints a line on standard error; an error in doing so is ignored.
pub fn error_line(line: &str) {
    writeln!(io::stderr().lock(), "{line}").ok();
}

/// Prints a warning on standard error.
pub fn warn(line: &str) {
    error_line(&format!("vassalctl: {}", printable(line.as_bytes())));
}

/// The form of a table on standard output.
pub fn form(table: &Table) -> Form {
    let is_aligned = is_terminal() && !table.plain;
    Form {
        is_aligned,
        has_legend: is_aligned && !table.no_legend,
        has_colors: has_colors(),
    }
}

/// Whether standard output is a terminal.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// The width of the terminal that standard output is, if it is one; `$COLUMNS` takes precedence.
pub fn columns() -> Option<usize> {
    if !is_terminal() {
        return None;
    }
    let said = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok());
    said.or_else(|| {
        crossterm::terminal::size()
            .ok()
            .map(|(columns, _)| columns.into())
    })
}
