//! Completion of command lines: the shells' scripts, which ask this program, and what it answers, names of vassals and options included.

use crate::arguments::{Arguments, Place};
use crate::render::output;
use crate::running::cgroup::Detail;
use crate::running::fleet::Fleet;
use clap::{Arg, Command, CommandFactory};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};
use std::process::ExitCode;
use vassal_config::options::table::OPTIONS;

/// The variable by which a script asks. Not clap's own, `COMPLETE`, which other programs may have set.
const VARIABLE: &str = "VASSALCTL_COMPLETE";

/// zsh reads the file of a completion when that is wanted for the first time, as the body of a function: it has to answer then, too.
const FIRST_TIME: &str = "\n[[ $funcstack[1] != _vassalctl ]] || _clap_dynamic_completer_vassalctl \"$@\"\n";

/// Answers a script, if it is one that asks, and ends.
pub fn answer() {
    CompleteEnv::with_factory(command).var(VARIABLE).complete();
}

/// Prints the script of `shell`.
pub fn run(shell: clap_complete::Shell) -> ExitCode {
    let shells = Shells::builtins();
    let shell = shell.to_string();
    let mut script = Vec::new();
    let name = "vassalctl";
    let written = shells
        .completer(&shell)
        .map(|completer| completer.write_registration(VARIABLE, name, name, name, &mut script));
    if shell == "zsh" {
        script.extend_from_slice(FIRST_TIME.as_bytes());
    }
    match written {
        Some(Ok(())) => output::finish(&String::from_utf8_lossy(&script), output::GOOD),
        Some(Err(error)) => output::fail(&format!("cannot write the script: {error}")),
        None => output::fail(&format!("there is no script for '{shell}'")),
    }
}

/// The command line with what only this machine knows.
fn command() -> Command {
    let command = Arguments::command();
    let verbs: Vec<String> = command
        .get_subcommands()
        .map(|verb| verb.get_name().to_owned())
        .collect();
    verbs.iter().fold(command, |command, verb| {
        command.mut_subcommand(verb, |subcommand| {
            subcommand.mut_args(|argument| known(verb, argument))
        })
    })
}

fn known(verb: &str, argument: Arg) -> Arg {
    match (verb, argument.get_id().as_str()) {
        ("options", "names") => argument.add(ArgValueCandidates::new(options)),
        (_, "name" | "names" | "patterns") => argument.add(ArgValueCandidates::new(vassals)),
        _ => argument,
    }
}

fn vassals() -> Vec<CompletionCandidate> {
    let fleet = Fleet::gather(&Place::this_machine(), Detail::Line);
    let vassals = fleet.map(|fleet| fleet.vassals).unwrap_or_default();
    let candidate = |vassal: &crate::running::fleet::Vassal| {
        CompletionCandidate::new(&vassal.name).help(Some(vassal.state.word().into()))
    };
    vassals.iter().map(candidate).collect()
}

fn options() -> Vec<CompletionCandidate> {
    OPTIONS
        .iter()
        .map(|row| CompletionCandidate::new(row.name))
        .collect()
}
