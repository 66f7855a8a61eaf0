//! `vassalctl enter NAME [CMD]`: a shell in all the namespaces of a vassal, as its user or as root, by nsenter(1).

use super::names::choose;
use super::run::{execute, gather};
use crate::arguments::Enter;
use crate::render::output;
use crate::running::processes::{Process, Role};
use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::process::{Command, ExitCode};

/// What is executed when nothing is named: every root directory that can run anything has it.
const SHELL: &str = "/bin/sh";
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What of the environment is the terminal's, and goes along.
const KEPT: [&str; 3] = ["TERM", "LANG", "COLUMNS"];

/// Enters the vassal.
pub fn run(arguments: &Enter) -> ExitCode {
    let fleet = match gather() {
        Ok(fleet) => fleet,
        Err(code) => return code,
    };
    let chosen = choose(&fleet.vassals, std::slice::from_ref(&arguments.name));
    let app = chosen.and_then(|chosen| match chosen.as_slice() {
        [vassal] => app(fleet.processes(vassal)).ok_or_else(|| {
            format!(
                "{} is {}: there is no process whose namespaces could be entered",
                vassal.name,
                vassal.state.word()
            )
        }),
        _ => Err(format!("'{}' means several vassals, name one", arguments.name)),
    });
    match app {
        Ok(app) => execute(command(&app, arguments, io::stdin().is_terminal())),
        Err(why) => output::fail_with(&why, output::FAILED),
    }
}

/// The app's first process, or the watchdog's where there is none yet.
fn app(processes: Vec<Process>) -> Option<Process> {
    let rank = |process: &Process| match process.role {
        Role::App => 0,
        Role::Worker => 1,
        Role::Watchdog => 2,
        Role::Daemon | Role::Other => 3,
    };
    processes.into_iter().min_by_key(rank)
}

fn command(process: &Process, arguments: &Enter, has_terminal: bool) -> Command {
    let Process { pid, owner, .. } = process;
    let mut words: Vec<OsString> = ["nsenter", "--all", "--root", "--wd", "--target"]
        .map(OsString::from)
        .to_vec();
    words.push(pid.to_string().into());
    if !arguments.as_root {
        let (uid, gid) = owner;
        words.extend([format!("--setuid={uid}").into(), format!("--setgid={gid}").into()]);
    }
    words.push("--".into());
    match arguments.command.as_slice() {
        [] => words.push(SHELL.into()),
        command => words.extend_from_slice(command),
    }
    // A process of the tenant's on the administrator's own terminal could type into it (TIOCSTI): it gets one of its own.
    let mut command = match has_terminal {
        true => {
            let mut command = Command::new("script");
            let line: Vec<String> = words.iter().map(|word| quoted(&word.to_string_lossy())).collect();
            command.args(["--quiet", "--return", "--command", &line.join(" "), "/dev/null"]);
            command
        }
        false => {
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]);
            command
        }
    };
    command.env_clear().env("PATH", PATH);
    command.envs(KEPT.iter().filter_map(|name| Some((name, env::var_os(name)?))));
    command
}

/// A word as the shell reads it as one.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word() {
        assert_eq!(quoted("a b'c$d"), r"'a b'\''c$d'");
    }
}
