//! `vassalctl enter NAME [CMD]`: runs a shell or a command in all namespaces of a vassal, as its user or as root, by
//! nsenter(1).

use super::names::choose;
use super::run::{gather, is_roots};
use crate::arguments::Enter;
use crate::render::output;
use crate::running::fleet::Vassal;
use crate::running::processes::{Process, Role};
use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::thread;

/// The default command; every root directory that can run anything has it.
const SHELL: &str = "/bin/sh";
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Variables of the environment that are passed on, because they belong to the terminal.
const KEPT: [&str; 3] = ["TERM", "LANG", "COLUMNS"];

/// Runs the command in the vassal.
pub fn run(arguments: &Enter) -> ExitCode {
    let fleet = match gather() {
        Ok(fleet) => fleet,
        Err(code) => return code,
    };
    let chosen = choose(&fleet.vassals, std::slice::from_ref(&arguments.name));
    let app = chosen.and_then(|chosen| match chosen.as_slice() {
        [vassal] => app(fleet.processes(vassal), vassal, arguments.as_root),
        _ => Err(format!("'{}' means several vassals, name one", arguments.name)),
    });
    let app = match is_roots() {
        true => app,
        false => app.and(Err(format!(
            "only root may enter a vassal (sudo vassalctl enter {})",
            arguments.name
        ))),
    };
    match app {
        Ok(app) => {
            let has_terminal = io::stdin().is_terminal();
            pass_on(command(&app, arguments, has_terminal), has_terminal)
        }
        Err(why) => output::fail_with(&why, output::FAILED),
    }
}

/// The app's first process, or the watchdog if there is none yet. As the vassal's user only a process of that user is
/// entered: while the app is not there, the others are root's, and /bin/sh of the vassal's root may be the tenant's.
fn app(processes: Vec<Process>, vassal: &Vassal, as_root: bool) -> Result<Process, String> {
    let rank = |process: &Process| match process.role {
        Role::App => 0,
        Role::Worker => 1,
        Role::Watchdog => 2,
        Role::Daemon | Role::Other => 3,
    };
    let Some(process) = processes.into_iter().min_by_key(rank) else {
        return Err(format!(
            "{} is {}: there is no process whose namespaces could be entered",
            vassal.name,
            vassal.state.word()
        ));
    };
    match process.owner {
        (0, _) if !as_root => Err(format!(
            "{} is {}: its processes are root's (vassalctl enter --as-root {})",
            vassal.name,
            vassal.state.word(),
            vassal.name
        )),
        _ => Ok(process),
    }
}

/// The command, which cannot gain more privileges than the app. If a tenant's process had the administrator's own
/// terminal, it could insert input (TIOCSTI) and read what is typed; so it gets a terminal of its own, or none.
fn command(process: &Process, arguments: &Enter, has_terminal: bool) -> Command {
    let Process {
        pid, owner, groups, ..
    } = process;
    let (uid, gid) = owner;
    let mut words: Vec<OsString> = Vec::new();
    if !arguments.as_root {
        let groups: Vec<String> = groups.iter().map(u32::to_string).collect();
        let groups = match groups.is_empty() {
            true => "--clear-groups".to_owned(),
            false => format!("--groups={}", groups.join(",")),
        };
        // nsenter(1) drops the groups where it is to change the group itself.
        words.extend(["setpriv", "--no-new-privs"].map(OsString::from));
        words.extend([format!("--regid={gid}").into(), groups.into()]);
    }
    words.extend(["nsenter", "--all", "--root", "--wd", "--target"].map(OsString::from));
    words.push(pid.to_string().into());
    if !arguments.as_root {
        words.push(format!("--setuid={uid}").into());
    }
    words.push("--".into());
    match arguments.command.as_slice() {
        [] => words.push(SHELL.into()),
        command => words.extend_from_slice(command),
    }
    let mut command = match has_terminal {
        true => {
            let mut command = Command::new("script");
            let line: Vec<String> = words.iter().map(|word| quoted(&word.to_string_lossy())).collect();
            command.args(["--quiet", "--return", "--command", &line.join(" "), "/dev/null"]);
            command
        }
        false => {
            let mut command = Command::new("setsid");
            command.arg("--wait").args(&words);
            command
        }
    };
    command.env_clear().env("PATH", PATH);
    command.envs(KEPT.iter().filter_map(|name| Some((name, env::var_os(name)?))));
    command
}

/// Runs `command`. Unless it creates its own terminal, it gets no descriptor of this process, and its output is passed
/// on. It runs as a child instead of replacing this process, because processes that were abandoned while looking for
/// files would become its children.
fn pass_on(mut command: Command, makes_terminal: bool) -> ExitCode {
    let for_output = |is_terminal: bool| match is_terminal && !makes_terminal {
        true => Stdio::piped(),
        false => Stdio::inherit(),
    };
    command.stdout(for_output(io::stdout().is_terminal()));
    command.stderr(for_output(io::stderr().is_terminal()));
    let mut run = || -> io::Result<ExitStatus> {
        let mut child = command.spawn()?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        // If the reader has gone, the command gets an error when it writes again, and ends as well.
        let saying = thread::spawn(move || err.map(|mut err| io::copy(&mut err, &mut io::stderr())));
        out.map(|mut out| io::copy(&mut out, &mut io::stdout()))
            .transpose()?;
        saying.join().ok().flatten().transpose()?;
        child.wait()
    };
    match run() {
        // The exit code, as a shell would return it.
        Ok(ended) => ExitCode::from(match (ended.code(), ended.signal()) {
            (Some(code), _) => u8::try_from(code).unwrap_or(u8::MAX),
            (None, signal) => 128 + u8::try_from(signal.unwrap_or_default()).unwrap_or_default(),
        }),
        Err(error) => output::fail_with(
            &format!(
                "cannot run '{}': {error}",
                command.get_program().to_string_lossy()
            ),
            output::FAILED,
        ),
    }
}

/// Quotes a word for a shell.
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
