//! What a lint looks at, and what it reports.

use crate::lints::host::Host;
use crate::reading::finding::{Finding, Level, place};
use crate::reading::location::Location;
use crate::reading::rule::Rule;
use vassal_config::diagnostic::Origin;
use vassal_config::vassal::read::Vassal;
use vassal_escape::printable;

/// What a lint looks at.
#[derive(Debug)]
pub struct Scene<'a> {
    /// What the file means.
    pub vassal: &'a Vassal,
    /// The machine; none when only files count.
    pub host: Option<&'a Host>,
    /// Where the file is.
    pub location: &'a Location,
}

/// What a lint reports.
#[derive(Debug)]
pub struct Said {
    level: Level,
    rule: Rule,
    message: String,
    hint: String,
}

impl Said {
    /// It will probably not do what is meant.
    pub fn warning(rule: Rule, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Said {
            level: Level::Warning,
            rule,
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// It works here; worth knowing all the same.
    pub fn note(rule: Rule, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Said {
            level: Level::Note,
            ..Said::warning(rule, message, hint)
        }
    }

    /// The finding, at a line or at none.
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
