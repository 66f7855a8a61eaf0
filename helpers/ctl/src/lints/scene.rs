//! The input and the output of a lint.

use crate::lints::host::Host;
use crate::reading::finding::{Finding, Level, place};
use crate::reading::location::Location;
use crate::reading::rule::Rule;
use vassal_config::diagnostic::Origin;
use vassal_config::vassal::read::Vassal;
use vassal_escape::printable;

/// The input of a lint.
#[derive(Debug)]
pub struct Scene<'a> {
    /// What the file means.
    pub vassal: &'a Vassal,
    /// The machine; `None` if only the files are to be checked.
    pub host: Option<&'a Host>,
    /// The location of the file.
    pub location: &'a Location,
}

/// The output of a lint.
#[derive(Debug)]
pub struct Remark {
    level: Level,
    rule: Rule,
    message: String,
    hint: String,
}

impl Remark {
    /// The vassal will probably not do what is meant.
    pub fn warning(rule: Rule, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Remark {
            level: Level::Warning,
            rule,
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// It works, but is worth knowing.
    pub fn note(rule: Rule, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Remark {
            level: Level::Note,
            ..Remark::warning(rule, message, hint)
        }
    }

    /// The finding, at a line or without one.
    pub fn at(self, origin: Option<&Origin>, scene: &Scene<'_>) -> Finding {
        Finding {
            level: self.level,
            rule: Some(self.rule),
            place: origin.and_then(|origin| place(origin, scene.location)),
            message: printable(self.message.as_bytes()),
            hint: Some(printable(self.hint.as_bytes())),
        }
    }
}
