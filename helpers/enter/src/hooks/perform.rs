//! What each action of a hook does (ACT-5).

use crate::failure::Failure;
use crate::files::paths;
use crate::files::safe_open;
use crate::files::safe_open::Kind;
use crate::hooks::command::Ended;
use crate::hooks::mount;
use crate::hooks::own_root::OwnRoot;
use crate::hooks::waits;
use crate::hooks::waits::Limit;
use crate::invocation::Environment;
use crate::stop::Stop;
use crate::user::accounts as accounts_of;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::unshare;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, geteuid, sethostname};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;
use vassal_config::hooks::action::{Action, OnFailure, WriteMode};
use vassal_config::hooks::namespaces::Namespaces;
use vassal_config::vassal::plan::Plan;
use vassal_escape::printable;
use vassal_sys::SysError;
use vassal_sys::error::Step;
use vassal_sys::mounts;
use vassal_systemd::journal::{Priority, line};

/// Runs shell commands for the actions.
pub trait Shell {
    /// Runs `command` to its end, with the first of `shells` that there is.
    ///
    /// # Errors
    /// When it cannot be started or waited for.
    fn run(
        &mut self,
        shells: &[Vec<u8>],
        command: &[u8],
        environment: &Environment,
    ) -> Result<Ended, Failure>;
}

/// What the actions of one process share.
#[derive(Debug)]
pub struct Session<'a> {
    /// The environment of commands and of the app, which `putenv` changes.
    pub environment: Environment,
    /// Variables of an envdir that is not root's alone: for the app, and for no command of root's.
    pub foreign: Vec<safe_open::Change>,
    /// The shells of commands.
    pub shells: &'a [Vec<u8>],
    /// A private proc of this PID namespace.
    pub proc: &'a OwnedFd,
    /// How long one action may wait.
    pub limit: Duration,
    /// systemd's wish to stop, where it is this process that hears it.
    pub stop: Option<&'a Stop<'a>>,
    /// The file that gets the app's output, where it is not the journal.
    pub output: Option<OwnedFd>,
    /// The files that get the number of the app's process.
    pub pidfiles: Vec<File>,
    /// What root knows of the root directory it is about to change to, or has changed to.
    pub own_root: Option<OwnRoot>,
    /// The root directory that pivot_root has put aside.
    pub old_root: Option<OwnedFd>,
}

impl<'a> Session<'a> {
    /// The session in which `plan` begins: with the environment of the start, less uWSGI's options in it (A2), which
    /// are handed on as such.
    pub fn new(plan: &'a Plan, mut environment: Environment, proc: &'a OwnedFd, stop: &'a Stop<'a>) -> Self {
        environment.retain(|(name, _)| !name.starts_with(b"UWSGI_"));
        if !environment.iter().any(|(name, _)| name == b"PATH") {
            environment.push((b"PATH".to_vec(), crate::DEFAULT_PATH.as_bytes().to_vec()));
        }
        Self {
            environment,
            foreign: Vec::new(),
            shells: &plan.shells,
            proc,
            limit: plan.settings.hook_limit,
            stop: Some(stop),
            output: None,
            pidfiles: Vec::new(),
            own_root: None,
            old_root: None,
        }
    }

    /// Writes the number of the app's process, as the app itself sees it, into the files opened for it.
    ///
    /// # Errors
    /// A full filesystem.
    pub fn write_pid(&self, app: Pid) -> Result<(), SysError> {
        let mut files = self.pidfiles.iter();
        files.try_for_each(|mut file| writeln!(file, "{app}").step(|| "write the pidfile"))
    }

    /// The environment of the app: that of the commands, with what is not for root's.
    pub fn apps_environment(&self) -> Environment {
        let mut environment = self.environment.clone();
        environment.retain(|(name, _)| !self.foreign.iter().any(|(known, _)| known == name));
        let foreign = self.foreign.iter().cloned();
        environment.extend(foreign.filter_map(|(name, value)| Some((name, value?))));
        environment
    }

    fn set(&mut self, name: &[u8], value: &[u8]) {
        self.unset(name);
        self.environment.push((name.to_vec(), value.to_vec()));
    }

    fn unset(&mut self, name: &[u8]) {
        self.environment.retain(|(known, _)| known != name);
        self.foreign.retain(|(known, _)| known != name);
    }
}

/// Does `action`.
///
/// # Errors
/// What failed, without the place: the caller knows the line.
pub fn perform(action: &Action, session: &mut Session<'_>, shell: &mut impl Shell) -> Result<(), Failure> {
    match action {
        Action::Exec { command, failure } => {
            let ended = shell.run(session.shells, command, &session.environment)?;
            judge(ended, *failure, session.limit)
        }
        Action::ChangeDirectory(path) => paths::change_directory(at(path)).map_err(refused),
        Action::MakeDirectory(path) => paths::make_directory(at(path)).map_err(refused),
        Action::SetEnvironment(name, value) => {
            session.set(name, value);
            Ok(())
        }
        Action::UnsetEnvironment(name) => {
            session.unset(name);
            Ok(())
        }
        Action::ReadEnvdir(path) => {
            let (changes, is_roots) = safe_open::read_envdir(path, session.proc)?;
            for (name, value) in changes {
                if geteuid().is_root() && !is_roots {
                    session.foreign.retain(|(known, _)| *known != name);
                    session.foreign.push((name, value));
                } else {
                    session.unset(&name);
                    session.environment.extend(value.map(|value| (name, value)));
                }
            }
            Ok(())
        }
        Action::SetUmask(mask) => {
            umask(Mode::from_bits_truncate(*mask));
            Ok(())
        }
        Action::SetMode(path, mode) => paths::change_mode(session.proc, at(path), |_| *mode).map_err(refused),
        Action::SetSticky(path) => {
            paths::change_mode(session.proc, at(path), |mode| mode | 0o1000).map_err(refused)
        }
        Action::SetOwner(path, user, group) => own_by_name(session.proc, path, user, group),
        Action::SetOwnerIds(path, uid, gid) => paths::own(at(path), *uid, *gid).map_err(refused),
        Action::Write(path, text, mode) => write(path, text, *mode, session),
        Action::Unlink(path) => paths::remove(at(path)).map_err(refused),
        Action::Mount {
            fstype,
            source,
            target,
            flags,
            data,
        } => {
            let wanted = mount::Wanted {
                fstype,
                source,
                target: at(target),
                flags: *flags,
                data: data.as_deref(),
            };
            mount::mount(session.proc, &wanted).map_err(refused)
        }
        Action::Umount(target, flags) => mount::unmount(session.proc, at(target), *flags).map_err(refused),
        Action::SetHostname(name) => sethostname(OsStr::from_bytes(name))
            .step(|| describe("set the host name", name))
            .map_err(refused),
        Action::Print(text) => {
            line(Priority::Info, &printable(text));
            Ok(())
        }
        Action::Exit(code) => Err(Failure {
            code: *code,
            ..Failure::passing(format!("exits with {code}, as the hook says"))
        }),
        Action::WaitFor(awaited, what, limit) => {
            let limit = limit.map_or(Limit::OfHooks(session.limit), Limit::Own);
            waits::appear(*awaited, what, limit, session.proc, session.stop)
        }
        Action::Sleep(time) => Ok(waits::pause(*time, session.stop)?),
        Action::Unshare(namespaces) => leave(*namespaces).map_err(|error| Failure::namespace(&error)),
        Action::OpenLog(path) => {
            session.output = Some(safe_open::open_log(path, session.proc).map_err(refused)?);
            Ok(())
        }
        Action::OpenPidfile(path) => {
            let file = safe_open::open_pidfile(path, session.proc).map_err(refused)?;
            session.pidfiles.push(file);
            Ok(())
        }
        Action::Chroot(path) => paths::change_root(at(path)).map_err(no_root),
        Action::PivotRoot(new, old) => {
            session.old_root = Some(mounts::pivot(session.proc, at(new), at(old)).map_err(no_root)?);
            Ok(())
        }
        // The split between two processes, not a step of either.
        Action::BecomeUser => Ok(()),
    }
}

/// Leaves these namespaces for new ones. Mounts never become the host's again (NS-2).
fn leave(namespaces: Namespaces) -> Result<(), SysError> {
    unshare(crate::flags(namespaces)).step(|| "unshare namespaces")?;
    if namespaces.mount {
        mounts::make_all_slave()?;
    }
    Ok(())
}

fn at(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

fn describe(verb: &str, path: &[u8]) -> String {
    format!("{verb} '{}'", printable(path))
}

fn refused(error: vassal_sys::SysError) -> Failure {
    Failure::passing(error.to_string())
}

/// A root directory that is not as the file says; or one whose filesystem has a trouble of its own, which passes.
fn no_root(error: SysError) -> Failure {
    match error.errno {
        Errno::ENOENT | Errno::ENOTDIR | Errno::EINVAL | Errno::EBUSY | Errno::ELOOP => {
            Failure::config(error.to_string())
        }
        _ => refused(error),
    }
}

fn judge(ended: Ended, failure: OnFailure, limit: Duration) -> Result<(), Failure> {
    let problem = match ended {
        Ended::Exited(0) => return Ok(()),
        Ended::Exited(127) => "exited with 127: its program was not found".to_owned(),
        Ended::Exited(code) => format!("exited with {code}"),
        Ended::Killed(signal) => format!("was killed by {signal}"),
        Ended::TimedOut => format!("did not return within {} s (hook-timeout)", limit.as_secs_f32()),
    };
    match failure {
        OnFailure::Fatal => Err(Failure::passing(problem)),
        OnFailure::Logged => {
            line(Priority::Warning, &format!("a command {problem}, ignoring"));
            Ok(())
        }
    }
}

fn own_by_name(proc: &OwnedFd, path: &[u8], user: &[u8], group: &[u8]) -> Result<(), Failure> {
    let accounts = accounts_of(proc)?;
    let missing =
        |kind: &str, name: &[u8]| Failure::config(format!("there is no {kind} '{}'", printable(name)));
    let uid = accounts.user(user).ok_or_else(|| missing("user", user))?.uid;
    let gid = accounts.group(group).ok_or_else(|| missing("group", group))?;
    paths::own(at(path), uid, gid).map_err(refused)
}

fn write(path: &[u8], text: &[u8], mode: WriteMode, session: &Session<'_>) -> Result<(), Failure> {
    let flags = match mode {
        WriteMode::Truncate => OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC,
        WriteMode::Append => OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_APPEND,
        WriteMode::Fifo => OFlag::O_WRONLY,
        WriteMode::AwaitedFifo => {
            return waits::write_fifo(path, text, session.limit, session.proc, session.stop);
        }
    };
    let kind = if mode == WriteMode::Fifo {
        Kind::Fifo
    } else {
        Kind::File
    };
    match safe_open::open_for_writing(path, flags, 0o666, kind, session.proc) {
        // A FIFO nobody reads is no failure (ACT-5).
        Err(error) if mode == WriteMode::Fifo && error.errno == Errno::ENXIO => Ok(()),
        Err(error) => Err(refused(error)),
        Ok(file) => {
            let written = File::from(file).write_all(text);
            written.step(|| describe("write", path)).map_err(refused)
        }
    }
}
