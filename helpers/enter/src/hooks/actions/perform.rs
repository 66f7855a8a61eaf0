//! Dispatches an action (ACT-5) to the function that does it.

use crate::environment::Environment;
use crate::failure::{Failure, HookFailure};
use crate::hooks::actions::mount::Wanted;
use crate::hooks::actions::{files, mount, process, waits};
use crate::hooks::command::{self, Ended};
use crate::hooks::session::Session;
use std::os::fd::BorrowedFd;
use vassal_config::hooks::action::{Action, OnFailure};
use vassal_escape::printable;
use vassal_systemd::journal::{Priority, log};

/// Runs shell commands for actions.
pub trait Shell {
    /// Runs `command` to its end, with the first of `shells` that exists.
    ///
    /// # Errors
    /// When it cannot be started, or waiting for it fails.
    fn run(
        &mut self,
        shells: &[Vec<u8>],
        command: &[u8],
        environment: &Environment,
    ) -> Result<Ended, Failure>;
}

/// Runs commands without a limit, with their output to this descriptor; for a process that another one limits.
pub struct Unlimited<'a>(pub BorrowedFd<'a>);

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

/// Does `action`. Effects on files, mounts and the process are the kernel's; variables and open files are kept in
/// `session`.
///
/// # Errors
/// The failure without its place, which the caller knows.
pub fn perform(action: &Action, session: &mut Session<'_>, shell: &mut impl Shell) -> Result<(), Failure> {
    let proc = session.proc;
    match action {
        Action::Exec { command, failure } => run_command(command, *failure, session, shell),
        Action::SetEnvironment(name, value) => session.set(name, value),
        Action::UnsetEnvironment(name) => session.unset(name),
        Action::ReadEnvdir(path) => session.read_envdir(path),
        Action::OpenLog(path) => session.open_log(path),
        Action::OpenPidfile(path) => session.open_pidfile(path),
        Action::MakeDirectory(path) => files::make_directory(path),
        Action::SetMode(path, mode) => files::change_mode(path, proc, |_| *mode),
        Action::SetSticky(path) => files::change_mode(path, proc, |mode| mode | 0o1000),
        Action::SetOwner(path, user, group) => files::own_by_name(path, user, group, proc),
        Action::SetOwnerIds(path, uid, gid) => files::own(path, *uid, *gid),
        Action::Write(path, text, mode) => files::write(path, text, *mode, session),
        Action::Unlink(path) => files::remove(path),
        Action::Mount {
            fstype,
            source,
            target,
            flags,
            data,
        } => mount::mount(
            proc,
            &Wanted::new(fstype, source, target, *flags, data.as_deref()),
        ),
        Action::Umount(target, flags) => mount::unmount(proc, target, *flags),
        Action::ChangeDirectory(path) => process::change_directory(path),
        Action::SetUmask(mask) => process::set_umask(*mask),
        Action::SetHostname(name) => process::set_hostname(name),
        Action::Unshare(namespaces) => process::unshare(*namespaces),
        Action::Chroot(path) => process::change_root(path),
        Action::PivotRoot(new, old) => process::pivot_root(new, old, session),
        Action::WaitFor(awaited, what, limit) => waits::appear(*awaited, what, *limit, session),
        Action::Sleep(time) => waits::sleep(*time, session.stop),
        Action::Print(text) => print(text),
        Action::Exit(code) => exit(*code),
        // Not a step: it marks the boundary between the two processes that run the operations.
        Action::BecomeUser => Ok(()),
    }
}

fn run_command(
    command: &[u8],
    failure: OnFailure,
    session: &Session<'_>,
    shell: &mut impl Shell,
) -> Result<(), Failure> {
    let problem = match shell.run(session.shells, command, &session.environment)? {
        Ended::Exited(0) => return Ok(()),
        Ended::Exited(code) => HookFailure::Exited(code),
        Ended::Killed(signal) => HookFailure::Killed(signal),
        Ended::TimedOut => HookFailure::TimedOut { limit: session.limit },
    };
    match failure {
        OnFailure::Fatal => Err(problem.into()),
        OnFailure::Logged => {
            log(Priority::Warning, &format!("a command {problem}, ignoring"));
            Ok(())
        }
    }
}

fn print(text: &[u8]) -> Result<(), Failure> {
    log(Priority::Info, &printable(text));
    Ok(())
}

fn exit(code: u8) -> Result<(), Failure> {
    Err(HookFailure::Exit(code).into())
}
