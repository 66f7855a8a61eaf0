//! What is printed: results on standard output, whole or not at all, and free of what a terminal would act on.

use crate::render::rows::Form;
use serde::Serialize;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use vassal_escape::printable;

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
pub fn form() -> Form {
    match io::stdout().is_terminal() {
        true => Form::Terminal {
            has_colors: has_colors(),
        },
        false => Form::Plain,
    }
}

/// How wide the terminal is that standard output is, if it is one; `$COLUMNS` says it better.
pub fn columns() -> Option<usize> {
    if !io::stdout().is_terminal() {
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

/// Whether standard output is a terminal that wants colors (<https://no-color.org>).
pub fn has_colors() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    !unwanted && !dumb && io::stdout().is_terminal()
}

/// `value` as indented JSON in ASCII: what is not ASCII is escaped, so that no terminal acts on it.
///
/// # Errors
/// A value that JSON has no form for.
pub fn json<T: Serialize>(value: &T) -> Result<String, String> {
    let text = serde_json::to_string_pretty(value).map_err(|error| format!("cannot write JSON: {error}"))?;
    Ok(ascii(&text) + "\n")
}

/// JSON text in ASCII. Outside strings JSON has nothing else, and in them `\u` may stand for any character.
pub fn ascii(json: &str) -> String {
    if json.bytes().all(|byte| byte < 0x7f) {
        return json.to_owned();
    }
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() && character != '\x7f' {
            text.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_ascii_and_means_the_same() {
        let hostile = "\u{9b}31m \u{202e} \u{1f600} \x7f \n é";
        let text = json(&hostile).unwrap();
        assert!(
            text.trim_end()
                .bytes()
                .all(|byte| byte.is_ascii() && !byte.is_ascii_control()),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), hostile);
    }
}
