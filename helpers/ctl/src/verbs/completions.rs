//! Completion of command lines: prints the shells' scripts, and answers these scripts when they ask for completions
//! (including names of vassals and options).

use crate::arguments::{Arguments, Place};
use crate::render::output;
use crate::running::cgroup::Detail;
use crate::running::fleet::Fleet;
use clap::{Arg, Command, CommandFactory};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};
use std::process::ExitCode;
use vassal_config::options::table::OPTIONS;

/// The variable by which a script asks. clap's own, `COMPLETE`, may have been set by another program.
const VARIABLE: &str = "VASSALCTL_COMPLETE";

/// zsh reads the file of a completion function when it is first needed, as the body of that function; so this line
/// answers the first request.
const FIRST_TIME: &str = "\n[[ $funcstack[1] != _vassalctl ]] || _clap_dynamic_completer_vassalctl \"$@\"\n";

/// bash puts what it is given onto the command line as it is, and takes a pattern for the files that fit: a name with a space, a semicolon
/// or a star has to be quoted. Where the program has added a space itself, that stays one.
const QUOTED: &str = r#"
_vassalctl() {
    local - word space quoted=()
    set -f
    _clap_complete_vassalctl "$@"
    for word in "${COMPREPLY[@]}"; do
        space=
        [[ $word == *' ' ]] && space=' '
        printf -v word '%q%s' "${word% }" "$space"
        quoted+=("$word")
    done
    COMPREPLY=("${quoted[@]}")
}
complete -o nospace -o bashdefault -o nosort -F _vassalctl vassalctl
"#;

/// If a script has asked, answers it and exits.
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
    script.extend_from_slice(match shell.as_str() {
        "zsh" => FIRST_TIME.as_bytes(),
        "bash" => QUOTED.as_bytes(),
        _ => b"",
    });
    match written {
        Some(Ok(())) => output::finish(&String::from_utf8_lossy(&script), output::GOOD),
        Some(Err(error)) => output::fail(&format!("cannot write the script: {error}")),
        None => output::fail(&format!("there is no script for '{shell}'")),
    }
}

/// The command line, with completions that depend on this machine.
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
