//! vassalctl: what vassal makes of the vassals' files, told before systemd starts anything.
//!
//! It reads with the generator's and vassal-enter's own code, executes nothing, needs no root, and changes nothing.
//! Start reading at [`main`]: each verb has a file of its own.
#![forbid(unsafe_code)]

mod arguments;
mod check;
mod command;
mod describe;
mod emperor_file;
mod entries;
mod finding;
mod host;
mod location;
mod man_page;
mod migrate;
mod nearest;
mod new_root;
mod options;
mod output;
mod pager;
mod reading;
mod rehearsal;
mod render;
mod show;
mod show_text;
mod snippet;
mod table;
mod targets;
mod traps;
mod unit_directives;
mod verbs;

use arguments::{Arguments, Switch, Verb};
use clap::{CommandFactory, Parser};
use std::ffi::OsString;
use std::process::ExitCode;
use vassal_config::diagnostic::printable;
use verbs::units::Act;

fn main() -> ExitCode {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    match words.get(1) {
        // Everything behind this verb is uWSGI's, `--` and `--help` included.
        Some(verb) if verb == "entries" => return entries::run(words.split_off(2)),
        Some(_) => {}
        None => words.push("list".into()),
    }
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(error) => return not_understood(&error),
    };
    match arguments.verb {
        Verb::List(arguments) => verbs::list::run(&arguments),
        Verb::Status(arguments) => verbs::status::run(&arguments),
        Verb::Stats(arguments) => verbs::stats::run(&arguments),
        Verb::Logs(arguments) => verbs::logs::run(&arguments),
        Verb::Enter(arguments) => verbs::enter::run(&arguments),
        Verb::Start(arguments) => verbs::units::run(Act::Start, &arguments.names),
        Verb::Stop(arguments) => verbs::units::run(Act::Stop, &arguments.names),
        Verb::Restart(arguments) => verbs::units::run(Act::Restart, &arguments.names),
        Verb::Reload(arguments) => verbs::units::run(Act::Reload, &arguments.names),
        Verb::Enable(arguments) => verbs::units::run(Act::Enable, &arguments.names),
        Verb::Disable(arguments) => verbs::units::run(Act::Disable, &arguments.names),
        Verb::Mask(arguments) => verbs::units::run(Act::Mask, &arguments.names),
        Verb::Unmask(arguments) => verbs::units::run(Act::Unmask, &arguments.names),
        Verb::Maintenance(arguments) => {
            verbs::units::maintain(&arguments.names, arguments.switch == Switch::On)
        }
        Verb::Check(arguments) => check::run(&arguments),
        Verb::Show(arguments) => show::run(&arguments),
        Verb::Migrate(arguments) => migrate::run(&arguments),
        Verb::Options(arguments) => options::run(&arguments),
        Verb::Entries(arguments) => entries::run(arguments.args),
        Verb::Completions { shell } => completions(shell),
    }
}

/// Help is a result; a wrong command line is told with how it would be right.
fn not_understood(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        let text = error.render().to_string();
        // What was not understood is quoted as it is.
        for line in text.trim_end().lines() {
            output::tell(&printable(line.as_bytes()));
        }
        return ExitCode::from(output::USAGE);
    }
    output::finish(&error.render().to_string(), output::GOOD)
}

fn completions(shell: clap_complete::Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "vassalctl", &mut script);
    output::finish(&String::from_utf8_lossy(&script), output::GOOD)
}
