//! Files that uWSGI opens as root under its Emperor, before it changes its user, and here has to open as the user. They
//! are created for the user, or given to the user if nobody but root can have put them there. What the user can do
//! alone, or what root must not do, is left to uWSGI, which reports what it lacks.

use crate::failure::{AppFailure, Failure, Place as Line};
use crate::files::safe_open::only_root_can_write;
use crate::user::may;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, fstat, mkdirat};
use nix::unistd::{fchown, fchownat};
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use vassal_config::hooks::action::Action;
use vassal_config::vassal::plan::{Operation, Plan};
use vassal_config::vassal::root_files::{Handed, Purpose};
use vassal_escape::printable;
use vassal_sys::SysError;
use vassal_sys::creds::Credentials;
use vassal_sys::error::Context;
use vassal_sys::reach::{self, Last, Place};

/// The mode with which uWSGI creates logs.
const LOG_MODE: Mode = Mode::from_bits_truncate(0o640);
/// The mode with which uWSGI creates spoolers' directories.
const SPOOLER_MODE: Mode = Mode::from_bits_truncate(0o750);

/// Prepares all such files of `plan`. `as_user` are the hooks that will still run.
///
/// # Errors
/// A file that the user may not open and root must not give away, with its line and the command that does; `ENOSPC`.
pub fn prepare(plan: &Plan, as_user: &[Operation], credentials: &Credentials) -> Result<(), Failure> {
    if credentials.stays_root() {
        return Ok(());
    }
    for handed in &plan.handed {
        if !comes_later(&handed.path, as_user) {
            prepare_one(handed, plan, credentials)
                .map_err(|failure| failure.at(&Line::line(&handed.origin, name(handed.purpose))))?;
        }
    }
    Ok(())
}

/// The option's name for the public line; the option has several names.
fn name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Log => "log",
        Purpose::Spooler => "spooler",
        Purpose::Lock => "flock",
    }
}

fn prepare_one(handed: &Handed, plan: &Plan, credentials: &Credentials) -> Result<(), Failure> {
    let path = Path::new(OsStr::from_bytes(&handed.path));
    // A link of a tenant's, or a missing directory: uWSGI deals with it as the user.
    let Ok(place) = reach::place(path, Last::Followed) else {
        return Ok(());
    };
    let found = place
        .object
        .as_ref()
        .map(|object| look(object, path))
        .transpose()?;
    match (handed.purpose, found) {
        (Purpose::Log, None) => make_log(&place, path, credentials),
        (Purpose::Spooler, None) => make_spooler(&place, path, credentials),
        // uWSGI does not create lock files; it reports a missing one.
        (Purpose::Lock, None) => Ok(()),
        (purpose, Some(status)) => {
            let bits = if purpose == Purpose::Spooler { 0o7 } else { 0o6 };
            if may(&status, credentials, bits) {
                return Ok(());
            }
            let is_givable = purpose == Purpose::Log && reach::is_regular(&status) && status.st_uid == 0;
            match &place.object {
                Some(object) if is_givable && status.st_nlink == 1 && only_root_can_write(path)? => fchownat(
                    object,
                    "",
                    credentials.uid,
                    credentials.gid,
                    AtFlags::AT_EMPTY_PATH,
                )
                .context(|| describe("give the app's user", path))
                .map_err(Failure::from),
                _ => Err(refused(handed, plan)),
            }
        }
    }
}

fn make_log(place: &Place, path: &Path, credentials: &Credentials) -> Result<(), Failure> {
    if may(&look(&place.directory, path)?, credentials, 0o3) {
        return Ok(());
    }
    let step = || describe("make the log", path);
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let made = match openat(&place.directory, place.name.as_os_str(), flags, LOG_MODE) {
        // Another process has created it meanwhile, so it is not root's to give away.
        Err(Errno::EEXIST) => return Ok(()),
        made => made.context(step)?,
    };
    fchown(&made, credentials.uid, credentials.gid).context(step)?;
    Ok(())
}

fn make_spooler(place: &Place, path: &Path, credentials: &Credentials) -> Result<(), Failure> {
    if may(&look(&place.directory, path)?, credentials, 0o3) || !only_root_can_write(path)? {
        return Ok(());
    }
    let step = || describe("make the spooler's directory", path);
    let name = place.name.as_os_str();
    mkdirat(&place.directory, name, SPOOLER_MODE).context(step)?;
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let made = openat(&place.directory, name, flags, Mode::empty()).context(step)?;
    fchown(&made, credentials.uid, credentials.gid).context(step)?;
    Ok(())
}

fn refused(handed: &Handed, plan: &Plan) -> Failure {
    let user = plan.identity.uid.as_ref();
    AppFailure::NotWritable {
        path: handed.path.clone(),
        user: user.map_or_else(String::new, |(user, _)| user.to_string()),
        purpose: handed.purpose,
    }
    .into()
}

/// Whether an as-user hook still has to create or mount what contains `path`.
fn comes_later(path: &[u8], as_user: &[Operation]) -> bool {
    let path = Path::new(OsStr::from_bytes(path));
    let is_above = |word: &[u8]| {
        let word = word
            .split(|byte| *byte == b':' || *byte == b'=')
            .next_back()
            .unwrap_or_default();
        word.len() > 1 && word.starts_with(b"/") && path.starts_with(OsStr::from_bytes(word))
    };
    let hooks = as_user
        .iter()
        .filter(|operation| operation.action != Action::BecomeUser);
    hooks
        .flat_map(|operation| operation.text.split(u8::is_ascii_whitespace))
        .any(is_above)
}

fn look(object: impl AsFd, path: &Path) -> Result<FileStat, SysError> {
    fstat(object).context(|| describe("look at", path))
}

fn describe(verb: &str, path: &Path) -> String {
    format!("{verb} '{}'", printable(path.as_os_str().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::{Gid, Uid};
    use vassal_config::hooks::phase::Phase;

    #[test]
    fn permissions_count_as_the_kernel_counts_them() {
        let user = |uid, gid, group| Credentials {
            uid: Some(Uid::from_raw(uid)),
            gid: Some(Gid::from_raw(gid)),
            groups: Some(vec![Gid::from_raw(group)]),
            capabilities: None,
        };
        let mut status = fstat(std::fs::File::open("/proc/self/stat").unwrap()).unwrap();
        (status.st_uid, status.st_gid) = (1, 2);
        // The mode, the user, and whether reading and writing is allowed.
        let cases = [
            (0o600, user(1, 9, 9), true),
            (0o600, user(8, 2, 9), false),
            (0o060, user(8, 2, 9), true),
            (0o060, user(8, 9, 2), true),
            // The owner's bits count for the owner, whatever the others' are.
            (0o066, user(1, 2, 2), false),
            (0o606, user(8, 2, 9), false),
            (0o006, user(8, 9, 9), true),
            (0o444, user(8, 9, 9), false),
        ];
        for (mode, user, expected) in cases {
            status.st_mode = mode;
            assert_eq!(may(&status, &user, 0o6), expected, "{mode:o} {user:?}");
        }
    }

    #[test]
    fn what_a_hook_of_the_users_mounts_is_not_looked_at() {
        let hook = |text: &str| Operation {
            phase: Phase::AsUser,
            kind: None,
            action: Action::Sleep(std::time::Duration::ZERO),
            option: b"exec-as-user".to_vec(),
            text: text.into(),
            origin: None,
        };
        const CASES: &[(&str, bool)] = &[
            ("fuse-zip /var/a.zip /app", true),
            ("mkdir:/app/spool", true),
            ("cp / /application", false),
        ];
        for (text, expected) in CASES {
            assert_eq!(comes_later(b"/app/spool", &[hook(text)]), *expected, "{text}");
        }
    }
}
