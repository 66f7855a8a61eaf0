//! Findings as values: what is wrong, where it stands, what to do about it.

use std::fmt;
use std::rc::Rc;

/// Where an entry came from. Displayed as `user001.ini:6`, `command line` or `environment`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A `UWSGI_*` variable (A2).
    Environment,
    /// An argument (A1).
    CommandLine,
    /// A line of a file.
    File {
        /// The file as it was named, without the section.
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

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can be used, but probably does not mean what its author thinks.
    Warning,
}

/// One finding. Displayed as one line, `user001.ini:6: message (hint)`, free of control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Where it stands, when it stands somewhere.
    pub origin: Option<Origin>,
    /// What is wrong, lower case, objects in single ticks.
    pub message: String,
    /// What to do about it, or what is known besides.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// A finding that makes the configuration unusable.
    pub fn error(origin: Option<Origin>, message: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Error,
            origin,
            message: message.into(),
            hint: None,
        }
    }

    /// A finding that does not.
    pub fn warning(origin: Option<Origin>, message: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Warning,
            ..Diagnostic::error(origin, message)
        }
    }

    /// The same finding with a remark for the reader, shown in parentheses.
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

/// Longest piece of user text a message quotes: a terminal line or two, whatever the file holds.
const QUOTED_MAX: usize = 160;

/// User bytes for a message: in single ticks, printable, cut when long.
#[must_use]
pub fn quote(bytes: &[u8]) -> String {
    match bytes.get(..QUOTED_MAX) {
        Some(start) if bytes.len() > QUOTED_MAX => format!("'{}...'", printable(start)),
        _ => format!("'{}'", printable(bytes)),
    }
}

/// Bytes as text without control characters: those are written `\x1b`, bytes that are no UTF-8 `\xff`.
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_deceptive(character) {
                text.extend(character.escape_unicode());
            } else if character.is_control() {
                push_escaped(&mut text, character);
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Line and paragraph separators and the marks that reverse a terminal's writing direction.
fn is_deceptive(character: char) -> bool {
    matches!(character, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn push_escaped(text: &mut String, character: char) {
    match character {
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        other => text.push_str(&format!("\\x{:02x}", u32::from(other))),
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
        assert!(
            !shown.chars().any(|c| c.is_control() || is_deceptive(c)),
            "{shown:?}"
        );
        assert!(
            shown.contains("a\\nb\\x1b[31m\\xff\\x9b\\u{202e}\\x00"),
            "{shown}"
        );
    }

    #[test]
    fn a_long_text_is_quoted_in_part() {
        assert_eq!(quote(b"abc"), "'abc'");
        assert_eq!(quote(&[b'x'; 1000]).len(), QUOTED_MAX + 5);
    }
}
