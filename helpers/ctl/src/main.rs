//! vassalctl lists and controls the vassals of a machine, and checks their files before systemd starts anything.
//!
//! It reads files with the code of the generator and of vassal-enter. Started under their names, it is also
//! vassal-generator and vassal-emperor, whose libraries it contains: as separate programs these would be most of the
//! package. Start reading at [`main`]; each verb has a file of its own.
//!
//! Rooms, each of which uses only those before it: state, output_options, arguments, reading, running, render, lints, verbs.
#![forbid(unsafe_code)]

mod lints;
mod output_options;
mod reading;
mod render;
mod running;
mod state;
#[cfg(test)]
mod tests;
mod verbs;

mod arguments;

use arguments::{Arguments, Switch, Verb};
use clap::{CommandFactory, Parser};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;
use vassal_escape::printable;
use vassal_sys::memory::Memory;
use verbs::running::units::Act;

/// For all three programs: they are short-lived or allocate few blocks, for which musl's allocator would map and unmap
/// pages again and again.
#[global_allocator]
static ALLOCATOR: Memory = Memory::new();

/// The verbs that read files. Their exit codes are those of vassal's other programs; verbs that show or change running
/// vassals use systemctl's.
const OF_FILES: [&str; 6] = ["check", "show", "migrate", "options", "entries", "completions"];

fn main() -> ExitCode {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    let name = words.first().and_then(|name| Path::new(name).file_name());
    match name.and_then(OsStr::to_str) {
        Some(vassal_generator::NAME) => return vassal_generator::run(&words[1..]),
        Some(vassal_emperor::NAME) => return vassal_emperor::run(&words[1..]),
        _ => verbs::completions::answer(),
    }
    match words.get(1) {
        // All words after this verb belong to uWSGI, `--` and `--help` included.
        Some(verb) if verb == "entries" => return verbs::entries::run(words.split_off(2)),
        Some(_) => {}
        None => words.push("list".into()),
    }
    let verb = words.get(1).cloned().unwrap_or_default();
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(error) => return not_understood(&error, &verb),
    };
    render::output::colors::choose(arguments.color);
    match arguments.verb {
        Verb::List(arguments) => verbs::running::list::run(&arguments),
        Verb::Status(arguments) => verbs::running::status::run(&arguments),
        Verb::Top(arguments) => verbs::running::top::run(&arguments),
        Verb::Stats(arguments) => verbs::running::stats::run(&arguments),
        Verb::Metrics(arguments) => verbs::running::metrics::run(&arguments),
        Verb::Nagios(arguments) => verbs::running::nagios::run(&arguments),
        Verb::Logs(arguments) => verbs::running::logs::run(&arguments),
        Verb::Enter(arguments) => verbs::running::enter::run(&arguments),
        Verb::Start(arguments) => verbs::running::units::run(Act::Start, &arguments.names),
        Verb::Stop(arguments) => verbs::running::units::run(Act::Stop, &arguments.names),
        Verb::Restart(arguments) => verbs::running::units::run(Act::Restart, &arguments.names),
        Verb::Reload(arguments) => verbs::running::units::run(Act::Reload, &arguments.names),
        Verb::Enable(arguments) => verbs::running::units::run(Act::Enable, &arguments.names),
        Verb::Disable(arguments) => verbs::running::units::run(Act::Disable, &arguments.names),
        Verb::Mask(arguments) => verbs::running::units::run(Act::Mask, &arguments.names),
        Verb::Unmask(arguments) => verbs::running::units::run(Act::Unmask, &arguments.names),
        Verb::Maintenance(arguments) => {
            verbs::running::units::maintain(&arguments.names, arguments.switch == Switch::On)
        }
        Verb::Check(arguments) => verbs::check::run(&arguments),
        Verb::Show(arguments) => verbs::show::run(&arguments),
        Verb::Migrate(arguments) => verbs::migrate::run(&arguments),
        Verb::Options(arguments) => verbs::options::run(&arguments),
        Verb::Sync(arguments) => verbs::sync::run(&arguments),
        Verb::Entries(arguments) => verbs::entries::run(arguments.args),
        Verb::Completions { shell } => verbs::completions::run(shell),
    }
}

/// Prints help, which is a result, or explains a wrong command line.
fn not_understood(error: &clap::Error, verb: &OsStr) -> ExitCode {
    if error.use_stderr() {
        let text = error.render().to_string();
        // clap quotes the wrong words unescaped.
        for line in text.trim_end().lines() {
            render::output::error_line(&printable(line.as_bytes()));
        }
        let is_of_files = OF_FILES.iter().any(|known| verb == *known);
        let command = Arguments::command();
        let is_known = command.get_subcommands().any(|known| verb == known.get_name());
        return ExitCode::from(match is_known && !is_of_files {
            true => render::output::WRONG_WORDS,
            false => render::output::USAGE,
        });
    }
    render::output::finish(&error.render().to_string(), render::output::GOOD)
}
