//! Runs one shell command: `/bin/sh -c TEXT` (EXE-1), or directly the program that the shell would only execute. Only
//! the standard descriptors are passed on.

use crate::environment::Environment;
use crate::failure::Failure;
use crate::hooks::argv::{c_environment, c_string};
use crate::hooks::output::HookOutput;
use crate::hooks::simple_command::SimpleCommand;
use crate::stop::Stop;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, execve, setpgid};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;
use vassal_sys::clone::{Side, fork, pidfd};
use vassal_sys::deadline::Deadline;
use vassal_sys::error::Context;
use vassal_sys::{SysError, fds, signals};

const SHELL: &str = "/bin/sh";
/// The exit code of a shell that cannot start a program (POSIX: 126 not executable, 127 not found).
const CANNOT_EXEC: i32 = 127;
/// How long a killed command may take to end. One that waits for a hung filesystem takes longer; it ends with the
/// filesystem's daemon, at the end of the vassal.
const KILL_LIMIT: Duration = Duration::from_secs(1);

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With this exit code.
    Exited(i32),
    /// By this signal. This is a failure here; uWSGI takes it for a success (EXE-5).
    Killed(Signal),
    /// It has exceeded its limit.
    TimedOut,
}

/// Starts `SHELL -c COMMAND` with standard output and error on `log`. The shell is the first of `shells` that can be
/// executed, else `/bin/sh` (EXE-1); a simple command is executed without a shell.
///
/// # Errors
/// `EAGAIN` at a limit of processes; a NUL in the command or the environment.
pub fn spawn(
    shells: &[Vec<u8>],
    command: &[u8],
    environment: &Environment,
    log: BorrowedFd<'_>,
) -> Result<Pid, Failure> {
    let shells = shells.iter().map(|shell| c_string(shell));
    let shells: Vec<CString> = shells.collect::<Result<_, _>>()?;
    let simple = match shells.is_empty() {
        true => SimpleCommand::of(command, environment)?,
        false => None,
    };
    let arguments = [c"sh".to_owned(), c"-c".to_owned(), c_string(command)?];
    let environment = c_environment(environment)?;
    match fork()? {
        Side::Parent(child) => Ok(child),
        Side::Child => {
            let error = exec_command(simple, &shells, &arguments, &environment, log);
            eprintln!("cannot run {SHELL}: {error}");
            std::process::exit(CANNOT_EXEC)
        }
    }
}

fn exec_command(
    simple: Option<SimpleCommand>,
    shells: &[CString],
    arguments: &[CString],
    environment: &[CString],
    log: BorrowedFd<'_>,
) -> SysError {
    let prepare = || -> Result<(), SysError> {
        setpgid(Pid::from_raw(0), Pid::from_raw(0)).context(|| "make a process group")?;
        fds::place_at(log, 1)?;
        fds::place_at(log, 2)?;
        signals::reset()
    };
    if let Err(error) = prepare() {
        return error;
    }
    if let Some(simple) = simple {
        simple.execute(environment);
    }
    let last = CString::from(c"/bin/sh");
    let mut refused = Errno::ENOENT;
    for shell in shells.iter().chain([&last]) {
        match execve(shell, arguments, environment) {
            Ok(never) => match never {},
            Err(errno) => refused = errno,
        }
    }
    SysError::new("run it", refused)
}

/// Waits for `child` for at most `limit`, and relays its output meanwhile. At the limit its process group is killed. If
/// systemd stops the vassal meanwhile, this process ends.
///
/// # Errors
/// When waiting fails.
pub fn supervise(
    child: Pid,
    limit: Duration,
    log: &mut HookOutput,
    stop: &Stop<'_>,
) -> Result<Ended, Failure> {
    let ended = pidfd(child)?;
    let deadline = Deadline::after(limit);
    loop {
        if deadline.is_over() {
            // If it has ended at this very moment, there is no such group any more.
            killpg(child, Signal::SIGKILL)
                .or_else(ignore_gone)
                .context(|| "kill a hook")?;
            let mut gone = [PollFd::new(ended.as_fd(), PollFlags::POLLIN)];
            if Deadline::after(KILL_LIMIT)
                .poll(&mut gone, KILL_LIMIT)
                .unwrap_or(false)
            {
                wait(child)?;
            }
            log.relay();
            return Ok(Ended::TimedOut);
        }
        let mut fds = [
            PollFd::new(ended.as_fd(), PollFlags::POLLIN),
            PollFd::new(stop.wish(), PollFlags::POLLIN),
            PollFd::new(log.reader(), PollFlags::POLLIN),
        ];
        deadline.poll(&mut fds, limit).context(|| "wait for a hook")?;
        let [is_over, is_stopped, _] = fds.map(|fd| fd.any().unwrap_or(false));
        log.relay();
        if is_stopped {
            stop.obey();
        }
        if is_over {
            return wait(child);
        }
    }
}

/// Waits for `child` without a limit; for a process that is itself supervised.
///
/// # Errors
/// When there is no such child.
pub fn wait(child: Pid) -> Result<Ended, Failure> {
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(Ended::Exited(code)),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(Ended::Killed(signal)),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(SysError::new("wait for a hook", errno).into()),
        }
    }
}

fn ignore_gone(errno: Errno) -> Result<(), Errno> {
    if errno == Errno::ESRCH { Ok(()) } else { Err(errno) }
}
