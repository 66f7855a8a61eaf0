//! What is printed: results on standard output, whole or not at all, and free of what a terminal would act on.

pub mod colors;
mod json;

use crate::looks::Table;
use crate::render::rows::Form;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use vassal_escape::printable;

pub use colors::has_colors;
pub use json::json;

/// Nothing was found, or what was asked for was done.
pub const GOOD: u8 = 0;
/// Only warnings (`check`), something would be lost (`migrate`), or uWSGI would refuse (`entries`).
pub const WARNED: u8 = 1;
/// Errors, or what was asked for could not be read.
pub const BAD: u8 = 2;
/// The verbs that tell of running vassals or change them: it could not be done.
pub const FAILED: u8 = 1;
/// Wrong command line of such a verb.
pub const WRONG_WORDS: u8 = 2;
/// Wrong command line, as with vassal's other programs.
pub const USAGE: u8 = 64;

/// The `version` of every JSON object: it grows when a field goes or changes its meaning, not when one is added.
pub const JSON_VERSION: u32 = 1;

/// Prints `text` and ends with `code`. A reader that has seen enough (`| head`) is no failure.
pub fn finish(text: &str, code: u8) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => fail(&format!("cannot write: {error}")),
        Ok(()) | Err(_) => ExitCode::from(code),
    }
}

/// Says on standard error why there is no result.
pub fn fail(why: &str) -> ExitCode {
    fail_with(why, BAD)
}

/// The same with a code of its own.
pub fn fail_with(why: &str, code: u8) -> ExitCode {
    why.lines().for_each(warn);
    ExitCode::from(code)
}

/// A line on standard error; it is lost where that is closed.
pub fn tell(line: &str) {
    writeln!(io::stderr().lock(), "{line}").ok();
}

/// A line on standard error of what is wrong beside the result.
pub fn warn(line: &str) {
    tell(&format!("vassalctl: {}", printable(line.as_bytes())));
}

/// How rows are written to standard output.
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

/// How wide the terminal is that standard output is, if it is one; `$COLUMNS` says it better.
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
