//! The as-user-atexit hooks with everything they need, stored from the vassal's start until its end.

use crate::environment::Environment;
use crate::hooks::action_codec;
use nix::unistd::{Gid, Uid};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;
use vassal_config::hooks::action::Action;
use vassal_config::hooks::phase::Phase;
use vassal_config::vassal::plan::{Operation, Plan};
use vassal_escape::printable;
use vassal_state::codec::{Reader, Writer};
use vassal_sys::SysError;
use vassal_sys::creds::Credentials;

/// The data that the watchdog stores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The user that the hooks run as.
    pub credentials: Credentials,
    /// The environment with which the as-user hooks were started.
    pub environment: Environment,
    /// The directory in which they were started.
    pub directory: PathBuf,
    /// How long one hook may take.
    pub limit: Duration,
    /// The shells of commands.
    pub shells: Vec<Vec<u8>>,
    /// What the as-user hooks and `chdir` have changed in the process. It is repeated first, because in uWSGI the same
    /// process (the master) runs the atexit hooks later.
    pub before: Vec<Action>,
    /// The hooks.
    pub hooks: Vec<Kept>,
}

/// One hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What it does.
    pub action: Action,
    /// Its line and text, for messages.
    pub place: String,
}

impl Record {
    /// The record of `plan`; `None` if it has no atexit hooks.
    pub fn of(plan: &Plan, credentials: &Credentials, environment: Environment) -> Option<Self> {
        if plan.atexit.is_empty() {
            return None;
        }
        let lasts = |operation: &&Operation| {
            operation.phase == Phase::AsUser
                && matches!(
                    operation.action,
                    Action::SetEnvironment(..) | Action::ChangeDirectory(_) | Action::SetUmask(_)
                )
        };
        let hooks = plan.operations.iter().filter(lasts);
        let directory = plan.payload.directory();
        Some(Self {
            credentials: credentials.clone(),
            environment,
            directory: std::env::current_dir().unwrap_or_else(|_| "/".into()),
            limit: plan.settings.atexit_limit,
            shells: plan.shells.clone(),
            before: hooks
                .map(|operation| operation.action.clone())
                .chain(directory.map(|path| Action::ChangeDirectory(path.to_vec())))
                .collect(),
            hooks: plan.atexit.iter().map(Kept::of).collect(),
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
        writer.list(&self.before, action_codec::write);
        writer.list(&self.hooks, |writer, hook| {
            writer.bytes(hook.place.as_bytes());
            action_codec::write(writer, &hook.action);
        });
        writer.into_memfd()
    }

    /// Reads the record; `None` if it is malformed.
    pub fn read(reader: &mut Reader) -> Option<Self> {
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
            directory: OsString::from_vec(reader.bytes()?).into(),
            limit: reader.milliseconds()?,
            shells: reader.list(Reader::bytes)?,
            before: reader.list(action_codec::read)?,
            hooks: reader.list(|reader| {
                Some(Kept {
                    place: reader.text()?,
                    action: action_codec::read(reader)?,
                })
            })?,
        })
    }
}

impl Kept {
    fn of(operation: &Operation) -> Self {
        let text = match &operation.action {
            Action::Exec { command, .. } => printable(command),
            _ => printable(&operation.text),
        };
        let origin = operation.origin.as_ref();
        let origin = origin.map(ToString::to_string).unwrap_or_default();
        Self {
            action: operation.action.clone(),
            place: format!("{origin}: {} hook '{text}'", operation.phase),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = Record {
            credentials: Credentials {
                uid: Some(Uid::from_raw(1000)),
                gid: None,
                groups: Some(vec![Gid::from_raw(4_294_967_294)]),
                capabilities: None,
            },
            environment: vec![(b"PATH".to_vec(), b"/bin".to_vec())],
            directory: "/srv/a b".into(),
            limit: Duration::from_millis(1500),
            shells: vec![b"/bin/bash".to_vec()],
            before: vec![Action::SetUmask(0o27)],
            hooks: vec![Kept {
                action: Action::Unlink(b"/run/a".to_vec()),
                place: "a.ini:3: as-user-atexit hook 'unlink:/run/a'".into(),
            }],
        };
        let stored = File::from(record.store().unwrap());
        assert_eq!(
            Record::read(&mut Reader::from_file(stored).unwrap()),
            Some(record)
        );
    }
}
