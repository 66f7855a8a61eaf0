//! The actions on files and directories.

use crate::failure::{AccountFailure, Failure, Kind};
use crate::files::accounts::accounts as accounts_of;
use crate::files::paths;
use crate::files::safe_open::{self, open_for_writing};
use crate::hooks::actions::waits;
use crate::hooks::refusal::{at, describe, refused};
use crate::hooks::session::Session;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use std::fs::File;
use std::io::Write;
use vassal_config::hooks::action::WriteMode;
use vassal_sys::error::Context;
use vassal_sys::proc::Proc;

/// mkdir(2).
///
/// # Errors
/// As [`paths::make_directory`].
pub fn make_directory(path: &[u8]) -> Result<(), Failure> {
    paths::make_directory(at(path)).map_err(refused)
}

/// unlink(2).
///
/// # Errors
/// As [`paths::remove`].
pub fn remove(path: &[u8]) -> Result<(), Failure> {
    paths::remove(at(path)).map_err(refused)
}

/// chmod(2) to the result of `change`, which gets the present mode.
///
/// # Errors
/// As [`paths::change_mode`].
pub fn change_mode(path: &[u8], proc: &Proc, change: impl FnOnce(u32) -> u32) -> Result<(), Failure> {
    paths::change_mode(proc, at(path), change).map_err(refused)
}

/// chown(2).
///
/// # Errors
/// As [`paths::own`].
pub fn own(path: &[u8], uid: u32, gid: u32) -> Result<(), Failure> {
    paths::own(at(path), uid, gid).map_err(refused)
}

/// chown(2) to a user and a group that are looked up in the present root directory.
///
/// # Errors
/// A name that does not exist; otherwise as [`paths::own`].
pub fn own_by_name(path: &[u8], user: &[u8], group: &[u8], proc: &Proc) -> Result<(), Failure> {
    let accounts = accounts_of(proc)?;
    let missing = |kind: Kind, name: &[u8]| AccountFailure::UnknownOwner {
        option: None,
        kind,
        name: name.to_vec(),
    };
    let uid = accounts.user(user).ok_or_else(|| missing(Kind::User, user))?.uid;
    let gid = accounts.group(group).ok_or_else(|| missing(Kind::Group, group))?;
    own(path, uid, gid)
}

/// Writes `text` to the file or FIFO `path`.
///
/// # Errors
/// Any error of the kernel.
pub fn write(path: &[u8], text: &[u8], mode: WriteMode, session: &Session<'_>) -> Result<(), Failure> {
    let (flags, kind) = match mode {
        WriteMode::Truncate => (OFlag::O_CREAT | OFlag::O_TRUNC, safe_open::Kind::File),
        WriteMode::Append => (OFlag::O_CREAT | OFlag::O_APPEND, safe_open::Kind::File),
        WriteMode::Fifo => (OFlag::empty(), safe_open::Kind::Fifo),
        WriteMode::AwaitedFifo => {
            return waits::write_fifo(path, text, session);
        }
    };
    match open_for_writing(path, OFlag::O_WRONLY | flags, 0o666, kind, session.proc) {
        // For this action a FIFO without a reader is no failure (ACT-5).
        Err(error) if mode == WriteMode::Fifo && error.errno == Errno::ENXIO => Ok(()),
        Err(error) => Err(refused(error)),
        Ok(file) => {
            let written = File::from(file).write_all(text);
            written.context(|| describe("write", path)).map_err(refused)
        }
    }
}
