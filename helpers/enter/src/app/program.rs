//! Finds and executes the app's program.

use crate::environment::{DEFAULT_PATH, Environment, value};
use crate::failure::{AppFailure, Failure, Root, is_wrong_program};
use crate::hooks::argv::{c_environment, c_string};
use crate::hooks::simple_command::SimpleCommand;
use nix::unistd::execve;
use std::convert::Infallible;
use std::ffi::CString;
use vassal_config::emperor::programs::Programs;
use vassal_config::vassal::payload::Payload;
use vassal_config::vassal::plan::Plan;

/// Executes the app of `plan`: uWSGI for the vassal's `file`, or the program that replaces it, or a command, with a
/// shell only if it needs one.
///
/// # Errors
/// A program that cannot be executed.
pub fn execute(
    plan: &Plan,
    programs: &Programs,
    file: &[u8],
    environment: &Environment,
) -> Result<Infallible, Failure> {
    let variables = c_environment(environment)?;
    let (candidates, arguments) = match &plan.payload {
        Payload::Uwsgi { program, .. } => {
            let program = program.as_deref();
            let instead = program.or(programs.instead.as_deref());
            let candidates = match program {
                Some(program) => vec![program.to_vec()],
                None => uwsgi_programs(programs, environment),
            };
            (candidates, uwsgi_arguments(instead, file)?)
        }
        Payload::Command { command, .. } => {
            if let Some(simple) = SimpleCommand::of(command, environment)? {
                simple.execute(&variables);
            }
            (
                vec![b"/bin/sh".to_vec()],
                vec![c"sh".to_owned(), c"-c".to_owned(), c_string(command)?],
            )
        }
    };
    Err(exec_first(&candidates, &arguments, &variables, plan.changes_root))
}

/// The paths to try for uWSGI: what emperor.ini names instead, or all names that distributions give uWSGI in the order
/// of `$PATH`; with the override before and the fallback after them.
fn uwsgi_programs(programs: &Programs, environment: &Environment) -> Vec<Vec<u8>> {
    let path = value(environment, b"PATH").unwrap_or(DEFAULT_PATH);
    let directories = path
        .split(|byte| *byte == b':')
        .filter(|directory| directory.starts_with(b"/"));
    let named = |names: &[&[u8]]| -> Vec<Vec<u8>> {
        let in_directory = |directory: &[u8]| {
            names
                .iter()
                .map(|name| [directory, b"/", name].concat())
                .collect()
        };
        directories.clone().flat_map::<Vec<_>, _>(in_directory).collect()
    };
    let found = |program: &Vec<u8>| match program.contains(&b'/') {
        true => vec![program.clone()],
        false => named(&[program]),
    };
    let itself = match &programs.instead {
        Some(program) => found(program),
        None => named(&[b"uwsgi", b"uwsgi-core"]),
    };
    let before = programs.before.iter().flat_map(found);
    before
        .chain(itself)
        .chain(programs.after.iter().flat_map(found))
        .collect()
}

/// `uwsgi --ini emperor://NAME.ini`: uWSGI reads its configuration from the Emperor's socket (D4).
fn uwsgi_arguments(instead: Option<&[u8]>, file: &[u8]) -> Result<Vec<CString>, Failure> {
    let program = instead.unwrap_or(b"uwsgi");
    Ok(vec![
        c_string(program)?,
        c"--ini".to_owned(),
        c_string(&[b"emperor://", file].concat())?,
    ])
}

/// Executes the first of `candidates` that can be executed. Returns only if none can.
fn exec_first(
    candidates: &[Vec<u8>],
    arguments: &[CString],
    environment: &[CString],
    changes_root: bool,
) -> Failure {
    let root = match changes_root {
        true => Root::Own,
        false => Root::Host,
    };
    for candidate in candidates {
        let Ok(program) = c_string(candidate) else {
            continue;
        };
        match (execve(&program, arguments, environment), candidates) {
            (Ok(never), _) => match never {},
            // One of several names or directories; the next one may exist.
            (Err(errno), [_, _, ..]) if is_wrong_program(errno) => {}
            (Err(errno), _) => {
                return AppFailure::CannotExecute {
                    program: candidate.clone(),
                    root,
                    errno,
                }
                .into();
            }
        }
    }
    AppFailure::NoUwsgi { root }.into()
}
