//! Findings as values: what is wrong, where it is, what to do about it.

use std::fmt;
use std::rc::Rc;
use vassal_escape::printable;

/// Where an entry came from. Displayed as `user001.ini:6`, `command line` or `environment`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A `UWSGI_*` variable (A2).
    Environment,
    /// An argument (A1).
    CommandLine,
    /// A line of a file.
    File {
        /// The file as it was named; a section in its name is left out.
        name: Rc<[u8]>,
        /// Line in the file as written, from 1.
        line: u32,
        /// Column of the first byte in that line, from 1, counted in bytes.
        column: u32,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Environment => out.write_str("environment"),
            Origin::CommandLine => out.write_str("command line"),
            Origin::File {
                name,
                line,
                column: _,
            } => write!(out, "{}:{line}", printable(name)),
        }
    }
}

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can be used, but probably does not mean what its author thinks.
    Warning,
}

/// A text that everybody on the machine may read: in `systemctl status`, in a unit's file, in the kernel's log. It
/// tells where something is wrong. It must not contain a value of a configuration, which may come from a file that only
/// root can read; it can be made only of names and of this program's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Public(String);

impl Public {
    /// This program's own words.
    #[must_use]
    pub fn words(words: &'static str) -> Self {
        Self(words.to_owned())
    }

    /// The same text with a place in front: `user001.ini:6: uid: `.
    #[must_use]
    pub fn at(self, place: &Public) -> Self {
        Self(format!("{place}: {}", self.0))
    }

    /// A line, with the name of its option or of its kind of hook.
    #[must_use]
    pub fn place(origin: Option<&Origin>, option: &[u8]) -> Self {
        let parts = [origin.map(ToString::to_string), Some(printable(option))];
        let parts = parts.into_iter().flatten().filter(|part| !part.is_empty());
        Self(parts.collect::<Vec<_>>().join(": "))
    }

    /// A watched mountpoint, which the status line of a serving vassal shows as well, with `words` about it.
    #[must_use]
    pub fn mountpoint(path: &[u8], words: &'static str) -> Self {
        Self(format!("{} {words}", quote(path)))
    }

    /// The same text with what a process of the vassal's own user has printed, and its remedy; neither contains a
    /// secret of root's.
    #[must_use]
    pub fn with_output(self, said: &str) -> Self {
        Self(format!("{}{}", self.0, printable(said.as_bytes())))
    }

    /// A public text that another process of this vassal has made, as bytes.
    #[must_use]
    pub fn handed_over(bytes: &[u8]) -> Self {
        Self(printable(bytes))
    }
}

impl fmt::Display for Public {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// One finding. Displayed as one line, `user001.ini:6: message (hint)`, free of control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its severity.
    pub severity: Severity,
    /// The place, if it has one.
    pub origin: Option<Origin>,
    /// What is wrong, lower case, objects in single ticks.
    pub message: String,
    /// The remedy, or a further fact.
    pub hint: Option<String>,
    /// The option of the line.
    pub option: Option<String>,
}

impl Diagnostic {
    /// The public part: the place, without the content of the line.
    #[must_use]
    pub fn public(&self) -> Public {
        let words = Public::words(match self.severity {
            Severity::Error => "it is wrong (the journal says why)",
            Severity::Warning => "it does not do what it says (the journal says why)",
        });
        let option = self.option.as_deref().unwrap_or_default();
        match (&self.origin, option) {
            (None, "") => Public::words("the configuration is wrong (the journal says why)"),
            (origin, option) => words.at(&Public::place(origin.as_ref(), option.as_bytes())),
        }
    }

    /// Adds the option of the line, if `key` has the form of an option's name.
    #[must_use]
    pub fn with_option(self, key: &[u8]) -> Self {
        let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
        let is_name = key.len() <= OPTION_MAX && key.iter().all(is_of_name);
        Diagnostic {
            option: self.option.or(is_name.then(|| printable(key))),
            ..self
        }
    }

    /// A finding that makes the configuration unusable.
    pub fn error(origin: Option<Origin>, message: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Error,
            origin,
            message: message.into(),
            hint: None,
            option: None,
        }
    }

    /// A finding that leaves the configuration usable.
    pub fn warning(origin: Option<Origin>, message: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Warning,
            ..Diagnostic::error(origin, message)
        }
    }

    /// Adds a remark, which is shown in parentheses.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Diagnostic {
            hint: Some(hint.into()),
            ..self
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(out, "{origin}: ")?;
        }
        out.write_str(&printable(self.message.as_bytes()))?;
        match &self.hint {
            Some(hint) => write!(out, " ({})", printable(hint.as_bytes())),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Diagnostic {}

/// Longer than any option's name.
const OPTION_MAX: usize = 64;

/// The longest piece of the configuration that a message quotes: one or two lines of a terminal.
const QUOTED_MAX: usize = 160;

/// Quotes bytes for a message: in single ticks, printable, shortened.
#[must_use]
pub fn quote(bytes: &[u8]) -> String {
    match bytes.get(..QUOTED_MAX) {
        Some(start) if bytes.len() > QUOTED_MAX => format!("'{}...'", printable(start)),
        _ => format!("'{}'", printable(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(name: &[u8], line: u32) -> Option<Origin> {
        Some(Origin::File {
            name: name.into(),
            line,
            column: 1,
        })
    }

    #[test]
    fn a_finding_is_shown_as_file_line_message_and_hint() {
        let found = Diagnostic::error(at(b"user001.ini", 6), "no such hook").with_hint("see vassal.ini(5)");
        assert_eq!(
            found.to_string(),
            "user001.ini:6: no such hook (see vassal.ini(5))"
        );
        assert_eq!(found.severity, Severity::Error);
    }

    #[test]
    fn what_everybody_may_read_has_the_place_and_the_option_and_no_value() {
        let found = Diagnostic::error(at(b"user001.ini", 6), "there is no user 'secret'").with_hint("secret");
        let shown = found.clone().with_option(b"uid").public().to_string();
        assert_eq!(shown, "user001.ini:6: uid: it is wrong (the journal says why)");
        let shown = found.public().to_string();
        assert_eq!(shown, "user001.ini:6: it is wrong (the journal says why)");
    }

    #[test]
    fn a_finding_without_a_place_is_only_its_message() {
        let found = Diagnostic::warning(None, "odd");
        assert_eq!(found.to_string(), "odd");
        assert_eq!(found.severity, Severity::Warning);
    }

    #[test]
    fn command_line_and_environment_are_named() {
        assert_eq!(Origin::CommandLine.to_string(), "command line");
        assert_eq!(Origin::Environment.to_string(), "environment");
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        let hostile = b"a\nb\x1b[31m\xff\xc2\x9b\xe2\x80\xae\x00";
        let found = Diagnostic::error(at(hostile, 1), printable(hostile)).with_hint("x\r\ny");
        let shown = found.to_string();
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
        assert!(
            shown.contains("a\\x0ab\\x1b[31m\\xff\\xc2\\x9b\\u{202e}\\x00"),
            "{shown}"
        );
    }

    #[test]
    fn a_long_text_is_quoted_in_part() {
        assert_eq!(quote(b"abc"), "'abc'");
        assert_eq!(quote(&[b'x'; 1000]).len(), QUOTED_MAX + 5);
    }
}
