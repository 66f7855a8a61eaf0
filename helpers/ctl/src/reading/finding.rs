//! What is told about a file: errors and warnings of vassal-config, and the lints.

use crate::reading::location::Location;
use crate::reading::rule::Rule;
use serde::Serialize;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use vassal_config::diagnostic::{Diagnostic, Origin, Severity};
use vassal_escape::printable;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The vassal does not start.
    Error,
    /// It probably does not do what it is meant to.
    Warning,
    /// Worth knowing; counts for nothing.
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
    /// How bad it is.
    pub level: Level,
    /// The trap; none for what a start says itself.
    pub rule: Option<Rule>,
    /// Where it stands, when it stands somewhere.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Finding {
    /// What a start would say, in a file of `location`.
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

/// Where `origin` is, seen from here; command line and environment are no place.
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

/// A path for people and for JSON.
pub fn shown(path: &Path) -> String {
    printable(path.as_os_str().as_bytes())
}
