//! The process that becomes the app: it gives up root, runs the as-user hooks, waits for the go-ahead, and execs.
//! State that a hook leaves behind (directory, umask, variables) is thus the app's, as it is in uWSGI.

use crate::app::stream::AppStream;
use crate::app::supervise::{Control, Report};
use crate::environment::{DEFAULT_PATH, Environment, value};
use crate::failure::{AppFailure, Failure, Place, Root, is_wrong_program};
use crate::handed_over::keys::Keys;
use crate::hooks::actions::perform::{Shell, perform};
use crate::hooks::argv::{c_environment, c_string};
use crate::hooks::command;
use crate::hooks::command::Ended;
use crate::hooks::refusal::place;
use crate::hooks::session::Session;
use crate::hooks::simple_command::SimpleCommand;
use crate::invocation::LAST_LINE_LIMIT;
use crate::sockets::open::Open;
use crate::sockets::unix;
use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::{chdir, execve, getcwd, setsid};
use std::convert::Infallible;
use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use vassal_config::hooks::action::Action;
use vassal_config::vassal::payload::Payload;
use vassal_config::vassal::plan::{Operation, Plan};
use vassal_escape::printable;
use vassal_sys::creds::{Credentials, Keep, become_user, seal};
use vassal_sys::error::Context;
use vassal_sys::{fds, seccomp, signals};
use vassal_systemd::lines;

/// When the process goes on to its exec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Without a word: it has no hook to run and nothing to say.
    AtOnce,
    /// When its supervisor, to whom it says that it is ready, gives the go-ahead.
    WhenTold,
}

/// Everything the process needs; it runs no code of ours after the exec.
#[derive(Debug)]
pub struct Launch<'a> {
    /// The operations after the change of user.
    pub operations: &'a [Operation],
    /// Who it becomes.
    pub credentials: &'a Credentials,
    /// Its environment, before `putenv` hooks.
    pub environment: Environment,
    /// Variables that only the app gets, not the hooks.
    pub own_environment: Environment,
    /// The listening sockets.
    pub sockets: &'a [Open],
    /// The copies of keys.
    pub keys: Option<&'a Keys>,
    /// What it becomes, and how.
    pub plan: &'a Plan,
    /// The program in uwsgi's place (`emperor-wrapper`).
    pub wrapper: Option<&'a [u8]>,
    /// The file's name, for uWSGI's command line.
    pub file: Vec<u8>,
    /// Descriptors that the app gets.
    pub kept: Vec<BorrowedFd<'a>>,
    /// A private proc of this PID namespace.
    pub proc: &'a OwnedFd,
    /// Where the hooks' output goes.
    pub log: BorrowedFd<'a>,
    /// Where its own output goes, if not to the journal.
    pub output: Option<BorrowedFd<'a>>,
    /// Its stream to the journal.
    pub stream: Option<&'a AppStream>,
    /// Whether it waits.
    pub pace: Pace,
}

/// Runs commands and waits for them; the limit is kept by whoever supervises this process.
struct Unlimited<'a>(BorrowedFd<'a>);

impl Shell for Unlimited<'_> {
    fn run(
        &mut self,
        shells: &[Vec<u8>],
        command: &[u8],
        environment: &Environment,
    ) -> Result<Ended, Failure> {
        command::wait(command::spawn(shells, command, environment, self.0)?)
    }
}

impl Launch<'_> {
    /// Becomes the app, or reports on `control` why not and ends.
    pub fn run(self, control: &Control) -> ! {
        let failure = match self.become_app(control) {
            Ok(never) => match never {},
            Err(failure) => failure,
        };
        let code = i32::from(failure.code());
        // A supervisor that does not listen has failed itself and has said why.
        drop(control.report(&Report::Failed(failure)));
        std::process::exit(code)
    }

    // On entry: root inside the namespaces, nothing dropped. On the way: the vassal's user, CAP_SETPCAP for this
    // process alone. At the exec: the vassal's user, no capability anywhere, no_new_privs, the filter of system calls.
    fn become_app(self, control: &Control) -> Result<Infallible, Failure> {
        setsid().context(|| "start a session")?;
        if let Some(keys) = self.keys.filter(|_| !self.plan.owns_mounts) {
            keys.mount_alone(self.plan)?;
        }
        become_user(self.credentials, Keep::Setpcap)?;
        let mut session = Session::new(
            self.environment,
            &self.plan.shells,
            self.plan.settings.hook_limit,
            self.proc,
        );
        for (index, operation) in self.operations.iter().enumerate() {
            if operation.action == Action::BecomeUser {
                continue;
            }
            control.report(&Report::Hook(index as u32))?;
            // Before it says a word: what is in the log now is not this hook's.
            control.wait_for_go()?;
            let done = perform(&operation.action, &mut session, &mut Unlimited(self.log));
            done.map_err(|failure| failure.at(&place(operation)))?;
        }
        bind(self.sockets, self.plan, self.proc, control)?;
        if self.pace == Pace::WhenTold {
            control.report(&Report::Ready)?;
            control.wait_for_go()?;
        }
        let environment = [session.environment, self.own_environment].concat();
        let (candidates, arguments) = match &self.plan.payload {
            Payload::Uwsgi { program, .. } => {
                let program = program.as_deref().or(self.wrapper);
                (
                    uwsgi_programs(program, &environment),
                    uwsgi_arguments(program, &self.file)?,
                )
            }
            Payload::Command {
                command,
                directory,
                origin,
            } => {
                enter_directory(directory.as_deref())
                    .map_err(|failure| failure.at(&Place::line(origin, "chdir")))?;
                (
                    vec![b"/bin/sh".to_vec()],
                    vec![c"sh".to_owned(), c"-c".to_owned(), c_string(command)?],
                )
            }
        };
        // The lines of `print` hooks that journald had no room for: the app knows nothing of them.
        lines::deliver(LAST_LINE_LIMIT)?;
        match (self.output, self.stream) {
            (Some(output), _) => {
                fds::place_at(output, 1)?;
                fds::place_at(output, 2)?;
            }
            (None, Some(stream)) => stream.place()?,
            (None, None) => {}
        }
        seal(self.credentials)?;
        if self.plan.settings.is_filtered {
            seccomp::deny_what_no_app_needs()?;
        }
        signals::reset()?;
        self.kept
            .iter()
            .try_for_each(|fd| fds::keep_over_exec(fd.as_fd()))?;
        place_new(self.sockets)?;
        let simple = match &self.plan.payload {
            Payload::Command { command, .. } => SimpleCommand::of(command, &environment)?,
            Payload::Uwsgi { .. } => None,
        };
        let environment = c_environment(&environment)?;
        if let Some(simple) = simple {
            simple.execute(&environment);
        }
        Err(exec_first(
            &candidates,
            &arguments,
            &environment,
            self.plan.changes_root,
        ))
    }
}

/// Binds the unix sockets as the user, unless they were bound as root.
fn bind(sockets: &[Open], plan: &Plan, proc: &OwnedFd, control: &Control) -> Result<(), Failure> {
    if plan.unix.owner.is_some() {
        return Ok(());
    }
    for (index, (open, listener)) in sockets.iter().zip(&plan.listeners).enumerate() {
        if let Some(file) = unix::settle(open, listener, &plan.unix, proc)? {
            control.report(&Report::Bound(index as u32, file))?;
        }
    }
    Ok(())
}

/// Puts the sockets that were bound now where the app is told that they are.
fn place_new(sockets: &[Open]) -> Result<(), Failure> {
    for open in sockets {
        if let Some(spare) = open.spare.as_ref().filter(|spare| listens(spare)) {
            fds::place_at(spare.as_fd(), open.fd.as_raw_fd())?;
        }
    }
    Ok(())
}

/// Whether the socket was bound: an unbound one does not listen (socket(7)).
fn listens(socket: &OwnedFd) -> bool {
    getsockopt(socket, sockopt::AcceptConn).unwrap_or(false)
}

fn enter_directory(directory: Option<&[u8]>) -> Result<(), Failure> {
    let Some(directory) = directory else { return Ok(()) };
    let path = Path::new(OsStr::from_bytes(directory));
    let shown = printable(directory);
    chdir(path).context(|| format!("change to directory '{shown}'"))?;
    // A descriptor's name in proc may lead to what was opened before the root directory changed: no path does (getcwd(3)).
    match getcwd() {
        Ok(_) => Ok(()),
        Err(_) => Err(AppFailure::OutsideRoot {
            directory: directory.to_vec(),
        }
        .into()),
    }
}

/// The program in uWSGI's place, or uWSGI under every name a distribution gives it, in the order of `$PATH`.
fn uwsgi_programs(instead: Option<&[u8]>, environment: &Environment) -> Vec<Vec<u8>> {
    if let Some(program) = instead {
        return vec![program.to_vec()];
    }
    let path = value(environment, b"PATH").unwrap_or(DEFAULT_PATH);
    let directories = path
        .split(|byte| *byte == b':')
        .filter(|directory| directory.starts_with(b"/"));
    directories
        .flat_map(|directory| [&b"/uwsgi"[..], b"/uwsgi-core"].map(|program| [directory, program].concat()))
        .collect()
}

/// `uwsgi --ini emperor://NAME.ini`: the configuration comes through the Emperor's socket (D4).
fn uwsgi_arguments(instead: Option<&[u8]>, file: &[u8]) -> Result<Vec<CString>, Failure> {
    let program = instead.unwrap_or(b"uwsgi");
    Ok(vec![
        c_string(program)?,
        c"--ini".to_owned(),
        c_string(&[b"emperor://", file].concat())?,
    ])
}

/// Executes the first of `candidates` that can be; returns only when none can.
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
            // One of several names, or of several directories.
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
