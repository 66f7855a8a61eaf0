//! Decides whether there are colors: by the command line, else by the environment, else only on a terminal.

use crate::output_options::Color;
use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::sync::OnceLock;

/// The choice on the command line.
static CHOICE: OnceLock<Color> = OnceLock::new();

/// Sets the choice of the command line; only the first call counts.
pub fn choose(color: Color) {
    CHOICE.get_or_init(|| color);
}

/// The choice of the command line.
pub fn chosen() -> Color {
    CHOICE.get().copied().unwrap_or_default()
}

/// Whether standard output has colors.
pub fn has_colors() -> bool {
    decide(chosen(), |name| env::var_os(name), io::stdout().is_terminal())
}

/// systemd's own variable takes precedence, as in systemctl; then <https://no-color.org> and
/// <https://bixense.com/clicolors>.
fn decide(choice: Color, variable: impl Fn(&str) -> Option<OsString>, is_terminal: bool) -> bool {
    match choice {
        Color::Always => return true,
        Color::Never => return false,
        Color::Auto => {}
    }
    let value = |name| variable(name).filter(|value| !value.is_empty());
    if let Some(said) = value("SYSTEMD_COLORS").and_then(|value| truth(value.to_str()?)) {
        return said;
    }
    if value("NO_COLOR").is_some() {
        return false;
    }
    if value("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
        return true;
    }
    is_terminal && value("TERM").is_none_or(|value| value != "dumb")
}

/// The value of `SYSTEMD_COLORS`: a boolean, or a number of colors; `None` for `auto-16` and its like.
fn truth(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "yes" | "y" | "true" | "t" | "on" | "16" | "256" | "24bit" => Some(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Environment<'a> = &'a [(&'a str, &'a str)];

    fn decided(choice: Color, environment: Environment<'_>, is_terminal: bool) -> bool {
        let variable = |name: &str| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        decide(choice, variable, is_terminal)
    }

    #[test]
    fn the_command_line_is_before_the_environment_and_that_before_the_terminal() {
        let cases: &[(Environment<'_>, bool, bool)] = &[
            (&[], true, true),
            (&[], false, false),
            (&[("TERM", "dumb")], true, false),
            (&[("NO_COLOR", "")], true, true),
            (&[("NO_COLOR", "1")], true, false),
            (&[("CLICOLOR_FORCE", "1")], false, true),
            (&[("CLICOLOR_FORCE", "0")], false, false),
            (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], true, false),
            (&[("SYSTEMD_COLORS", "0")], true, false),
            (&[("SYSTEMD_COLORS", "true"), ("NO_COLOR", "1")], false, true),
            (&[("SYSTEMD_COLORS", "256")], false, true),
            (&[("SYSTEMD_COLORS", "auto-16")], false, false),
        ];
        for (environment, is_terminal, expected) in cases {
            let decided = |choice| decided(choice, environment, *is_terminal);
            assert_eq!(decided(Color::Auto), *expected, "{environment:?} {is_terminal}");
            assert!(decided(Color::Always) && !decided(Color::Never));
        }
    }
}
