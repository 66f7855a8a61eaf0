//! Findings about a file: errors and warnings of vassal-config, and those of the lints.

use crate::reading::location::Location;
use crate::reading::rule::Rule;
use serde::Serialize;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use vassal_config::diagnostic::{Diagnostic, Origin, Severity};
use vassal_escape::printable;

/// The severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The vassal does not start.
    Error,
    /// It probably does not do what is meant.
    Warning,
    /// Worth knowing; it does not affect the exit code.
    Note,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, to be opened.
    pub path: PathBuf,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1, in bytes.
    pub column: u32,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its severity.
    pub level: Level,
    /// The trap; `None` for a finding of a start's own code.
    pub rule: Option<Rule>,
    /// The place, if it has one.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Finding {
    /// A finding of a start's own code about a file in `location`.
    pub fn of(diagnostic: Diagnostic, location: &Location) -> Self {
        let Diagnostic {
            severity,
            origin,
            message,
            hint,
            option: _,
        } = diagnostic;
        Finding {
            level: match severity {
                Severity::Error => Level::Error,
                Severity::Warning => Level::Warning,
            },
            rule: None,
            place: origin.and_then(|origin| place(&origin, location)),
            message: printable(message.as_bytes()),
            hint: hint.map(|hint| printable(hint.as_bytes())),
        }
    }
}

/// The place of `origin`, as a path that can be opened here; `None` for the command line and the environment.
pub fn place(origin: &Origin, location: &Location) -> Option<Place> {
    match origin {
        Origin::Environment | Origin::CommandLine => None,
        Origin::File { name, line, column } => Some(Place {
            path: location.shown(name),
            line: *line,
            column: *column,
        }),
    }
}

/// A path for display and for JSON.
pub fn shown(path: &Path) -> String {
    printable(path.as_os_str().as_bytes())
}
