//! The as-user-atexit hooks: run after the app has ended, inside its namespaces, by this same program, which the
//! watchdog starts again with `--atexit`. They are not run by a reload (EXE-11 is not copied), and what they return
//! is logged but changes nothing (EXE-12).

use crate::failure::Failure;
use crate::hooks::command;
use crate::hooks::command::Ended;
use crate::hooks::perform::{Session, Shell, perform};
use crate::invocation::Environment;
use nix::unistd::{Gid, Uid, chdir};
use std::ffi::OsStr;
use std::io::stderr;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;
use vassal_config::diagnostic::Diagnostic;
use vassal_config::hooks::action::Action;
use vassal_config::hooks::phase::{HookKind, Phase};
use vassal_config::vassal::plan::{Hook, Operation, Plan, parse};
use vassal_state::codec::{Reader, Writer};
use vassal_sys::creds::{Credentials, Keep, become_user};

use vassal_escape::printable;
use vassal_sys::{SysError, fds, mounts};
use vassal_systemd::journal::{Priority, line};

/// The hooks and everything they need, as it is kept until the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    credentials: Credentials,
    environment: Environment,
    directory: PathBuf,
    limit: Duration,
    shells: Vec<Vec<u8>>,
    hooks: Vec<Kept>,
}

/// A hook as written, and the line it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    kind: HookKind,
    text: Vec<u8>,
    origin: String,
}

impl Record {
    /// The record of `plan`'s atexit hooks, if it has any. They find what the as-user hooks and `chdir` leave to the app:
    /// in uWSGI it is the master that runs them.
    pub fn of(plan: &Plan, credentials: &Credentials, environment: Environment) -> Option<Self> {
        if plan.atexit.is_empty() {
            return None;
        }
        let mut environment = environment;
        let mut directory = std::env::current_dir().unwrap_or_else(|_| "/".into());
        for operation in &plan.operations {
            match &operation.action {
                Action::SetEnvironment(name, value) if operation.phase == Phase::AsUser => {
                    environment.retain(|(known, _)| known != name);
                    environment.push((name.clone(), value.clone()));
                }
                Action::ChangeDirectory(path) if operation.phase == Phase::AsUser => {
                    directory.push(OsStr::from_bytes(path));
                }
                _ => {}
            }
        }
        directory.extend(plan.payload.directory().map(OsStr::from_bytes));
        let keep = |operation: &Operation| Kept {
            kind: if matches!(operation.action, Action::Exec { .. }) {
                HookKind::Exec
            } else {
                HookKind::Hook
            },
            text: match &operation.action {
                Action::Exec { command, .. } => command.clone(),
                _ => operation.text.clone(),
            },
            origin: operation
                .origin
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        };
        Some(Self {
            credentials: credentials.clone(),
            environment,
            directory,
            limit: plan.settings.atexit_limit,
            shells: plan.shells.clone(),
            hooks: plan.atexit.iter().map(keep).collect(),
        })
    }

    /// Writes the record into a memfd, which only root can open.
    ///
    /// # Errors
    /// `EMFILE`, `ENOMEM`.
    pub fn store(&self) -> Result<OwnedFd, SysError> {
        let mut writer = Writer::default();
        let number = |id: Option<u32>| id.map_or(-1, |id| id as i32);
        writer.number(number(self.credentials.uid.map(Uid::as_raw)));
        writer.number(number(self.credentials.gid.map(Gid::as_raw)));
        let groups = self.credentials.groups.as_deref();
        writer.number(i32::from(groups.is_some()));
        writer.list(groups.unwrap_or_default(), |writer, gid| {
            writer.number(gid.as_raw() as i32);
        });
        writer.list(&self.environment, |writer, (name, value)| {
            writer.bytes(name).bytes(value);
        });
        writer.bytes(self.directory.as_os_str().as_bytes());
        writer.number(self.limit.as_millis().min(i32::MAX as u128) as i32);
        writer.list(&self.shells, |writer, shell| {
            writer.bytes(shell);
        });
        writer.list(&self.hooks, |writer, hook| {
            writer
                .number(i32::from(hook.kind == HookKind::Exec))
                .bytes(&hook.text)
                .bytes(hook.origin.as_bytes());
        });
        writer.into_memfd()
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        use std::os::unix::ffi::OsStringExt;
        let mut id = || reader.number().map(|id| (id != -1).then_some(id as u32));
        let (uid, gid) = (id()?.map(Uid::from_raw), id()?.map(Gid::from_raw));
        let has_groups = reader.number()? != 0;
        let groups = reader.list(|reader| reader.number().map(|gid| Gid::from_raw(gid as u32)))?;
        Some(Self {
            credentials: Credentials {
                uid,
                gid,
                groups: has_groups.then_some(groups),
                capabilities: None,
            },
            environment: reader.list(|reader| Some((reader.bytes()?, reader.bytes()?)))?,
            directory: std::ffi::OsString::from_vec(reader.bytes()?).into(),
            limit: Duration::from_millis(u64::try_from(reader.number()?).ok()?),
            shells: reader.list(Reader::bytes)?,
            hooks: reader.list(|reader| {
                let kind = if reader.number()? != 0 {
                    HookKind::Exec
                } else {
                    HookKind::Hook
                };
                Some(Kept {
                    kind,
                    text: reader.bytes()?,
                    origin: reader.text()?,
                })
            })?,
        })
    }
}

/// Runs commands with this process's own standard error; the watchdog limits the time of all together.
struct Direct;

impl Shell for Direct {
    fn run(
        &mut self,
        shells: &[Vec<u8>],
        command: &[u8],
        environment: &Environment,
    ) -> Result<Ended, Failure> {
        command::wait(command::spawn(shells, command, environment, stderr().as_fd())?)
    }
}

/// Runs the hooks of the record in descriptor `number`, as its user; each is tried, whatever became of the others.
///
/// # Errors
/// A record that cannot be read, or a user that cannot be become.
pub fn run(number: RawFd) -> Result<(), Failure> {
    let record = Record::read(&mut Reader::from_memfd(number)?);
    let record = record.ok_or_else(|| Failure::passing("the record of the atexit hooks is not readable"))?;
    fds::cloexec_from(3)?;
    let proc = mounts::detached_proc()?;
    become_user(&record.credentials, Keep::Nothing)?;
    if let Err(errno) = chdir(&record.directory) {
        let (shown, why) = (printable(record.directory.as_os_str().as_bytes()), errno.desc());
        line(
            Priority::Warning,
            &format!("cannot change to directory '{shown}': {why}, ignoring"),
        );
    }
    let mut session = Session {
        environment: record.environment,
        foreign: Vec::new(),
        shells: &record.shells,
        proc: &proc,
        limit: record.limit,
        stop: None,
        output: None,
        pidfiles: Vec::new(),
        own_root: None,
        old_root: None,
    };
    for Kept { kind, text, origin } in record.hooks {
        let hook = Hook {
            kind,
            phase: Phase::AsUserAtexit,
            option: Vec::new(),
            value: text.clone(),
            origin: vassal_config::diagnostic::Origin::CommandLine,
        };
        let done = parse(&hook)
            .map_err(|Diagnostic { message, .. }| Failure::config(message))
            .and_then(|action| perform(&action, &mut session, &mut Direct));
        if let Err(failure) = done {
            let text = printable(&text);
            let problem = failure.message;
            line(
                Priority::Warning,
                &format!("{origin}: as-user-atexit hook '{text}': {problem}, ignoring"),
            );
        }
    }
    Ok(())
}
