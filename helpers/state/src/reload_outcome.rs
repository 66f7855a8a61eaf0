//! The result of a vassal's reload, which `vassal-enter --reload` leaves for vassal-emperor: systemd tells the emperor
//! only whether the reload has failed. vassal-emperor makes the directory, which belongs to root; without the directory
//! nothing is written.

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use vassal_escape::printable;
use vassal_sys::error::{Context, SysError};

/// The directory, with one file for each vassal.
pub const DIRECTORY: &str = "/run/vassal/.emperor/reload";
/// The most that is read of one file.
const LARGEST: u64 = 64 << 10;

/// The result of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The exit code, one of `vassal_systemd::exit`.
    pub code: u8,
    /// Why it has failed; for a success, which changes need a restart.
    pub text: String,
    /// The same text without secrets, for everybody to read.
    pub public: String,
}

fn directory(path: &Path) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty())
}

/// Writes `outcome` for the vassal `name` into the directory `path`.
///
/// # Errors
/// Any error of the filesystem; a missing directory is no error.
pub fn leave(path: &Path, name: &str, outcome: &Outcome) -> Result<(), SysError> {
    let step = || format!("leave the outcome of the reload in '{}'", path.display());
    let place = match directory(path) {
        Err(Errno::ENOENT) => return Ok(()),
        place => place.context(step)?,
    };
    // A vassal's name never begins with a dot.
    let temporary = format!(".{}", std::process::id());
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file = openat(&place, temporary.as_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR).context(step)?;
    let Outcome { code, text, public } = outcome;
    let one_line = |text: &str| printable(text.as_bytes());
    let bytes = format!("{code}\n{}\n{}\n", one_line(text), one_line(public)).into_bytes();
    File::from(file).write_all(&bytes).context(step)?;
    renameat(&place, temporary.as_str(), &place, name).context(step)
}

/// Reads and removes the outcome of the vassal `name` in `path`.
pub fn take(path: &Path, name: &str) -> Option<Outcome> {
    let place = directory(path).ok()?;
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file = File::from(openat(&place, name, flags, Mode::empty()).ok()?);
    unlinkat(&place, name, UnlinkatFlags::NoRemoveDir).ok()?;
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text).ok()?;
    let mut lines = text.lines().map(str::to_owned);
    Some(Outcome {
        code: lines.next()?.parse().ok()?,
        text: lines.next()?,
        public: lines.next()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_taken_once_and_nobody_is_told_where_nobody_asks() {
        let place = std::env::temp_dir().join(format!("vassal-outcome-{}", std::process::id()));
        let outcome = Outcome {
            code: 78,
            text: "x.ini:3: no".into(),
            public: "x.ini:3".into(),
        };
        leave(&place, "x", &outcome).unwrap();
        assert_eq!(take(&place, "x"), None);
        std::fs::create_dir(&place).unwrap();
        leave(&place, "x", &outcome).unwrap();
        assert_eq!(take(&place, "x"), Some(outcome));
        assert_eq!(take(&place, "x"), None);
        std::fs::remove_dir(&place).unwrap();
    }
}
