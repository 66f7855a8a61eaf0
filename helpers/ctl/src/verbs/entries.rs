//! `vassalctl entries`: the final list of options, in the form of the corpus.

use crate::output_options::Json;
use crate::render::output;
use crate::render::output::{GOOD, WARNED, error_line};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;
use vassal_config::language::evaluation::entry::Entry;
use vassal_config::language::evaluation::evaluate::evaluate;
use vassal_config::machine::system::System;
use vassal_escape::printable;

/// Prints the list, or one line that says why uWSGI would refuse. The output of `print` options goes to standard error.
pub fn run(args: Vec<OsString>) -> ExitCode {
    let cwd = match std::env::current_dir() {
        Ok(cwd) => cwd,
        Err(error) => return output::fail(&format!("cannot tell the working directory: {error}")),
    };
    let environment = std::env::vars_os()
        .map(|(name, value)| (name.into_vec(), value.into_vec()))
        .collect();
    let args: Vec<Vec<u8>> = args.into_iter().map(OsStringExt::into_vec).collect();
    let evaluation = match evaluate(&args, &System::new(environment, cwd)) {
        Ok(evaluation) => evaluation,
        Err(error) => {
            error_line(&error.to_string());
            return ExitCode::from(WARNED);
        }
    };
    for line in &evaluation.printed {
        error_line(&printable(line));
    }
    if let Some(code) = evaluation.exit {
        error_line(&format!("exit {code}"));
        return ExitCode::from(WARNED);
    }
    match list(&evaluation.entries) {
        Ok(text) => output::finish(&text, GOOD),
        Err(why) => output::fail(&why),
    }
}

/// One pair in each line. A flag without a value is `true`; bytes that are not UTF-8 become U+FFFD.
fn list(entries: &[Entry]) -> Result<String, String> {
    let mut lines = Vec::with_capacity(entries.len());
    for entry in entries {
        let value = entry.value.as_deref().unwrap_or(b"true");
        let pair = [&entry.key[..], value].map(String::from_utf8_lossy);
        let [key, value] = [
            output::json(&pair[0], Json::Line)?,
            output::json(&pair[1], Json::Line)?,
        ];
        lines.push(format!("  [{}, {}]", key.trim_end(), value.trim_end()));
    }
    Ok(match lines.as_slice() {
        [] => "[]\n".to_owned(),
        lines => format!("[\n{}\n]\n", lines.join(",\n")),
    })
}
