//! vassalctl: what vassal makes of the vassals' files, told before systemd starts anything.
//!
//! It reads with the generator's and vassal-enter's own code, executes nothing, needs no root, and changes nothing.
//! Start reading at [`main`]: each verb has a file of its own.
//!
//! Rooms, each of which uses only those before it: arguments, reading, render, lints, verbs.
#![forbid(unsafe_code)]

mod lints;
mod reading;
mod render;
mod verbs;

mod arguments;

use arguments::{Arguments, Verb};
use clap::{CommandFactory, Parser};
use std::ffi::OsString;
use std::process::ExitCode;
use vassal_escape::printable;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    // Everything behind this verb is uWSGI's, `--` and `--help` included.
    if words.next().is_some_and(|verb| verb == "entries") {
        return verbs::entries::run(words.collect::<Vec<OsString>>());
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return not_understood(&error),
    };
    match arguments.verb {
        Verb::Check(arguments) => verbs::check::run(&arguments),
        Verb::Show(arguments) => verbs::show::run(&arguments),
        Verb::Migrate(arguments) => verbs::migrate::run(&arguments),
        Verb::Options(arguments) => verbs::options::run(&arguments),
        Verb::Entries(arguments) => verbs::entries::run(arguments.args),
        Verb::Completions { shell } => completions(shell),
    }
}

/// Help is a result; a wrong command line is told with how it would be right.
fn not_understood(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        let text = error.render().to_string();
        // What was not understood is quoted as it is.
        for line in text.trim_end().lines() {
            render::output::tell(&printable(line.as_bytes()));
        }
        return ExitCode::from(render::output::USAGE);
    }
    render::output::finish(&error.render().to_string(), render::output::GOOD)
}

fn completions(shell: clap_complete::Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "vassalctl", &mut script);
    render::output::finish(&String::from_utf8_lossy(&script), render::output::GOOD)
}
