//! Where the health records are stored. The directory is kept open, because the watchdog has another root directory
//! than the host.

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, renameat};
use nix::sys::stat::{Mode, fchmod, fstat, mkdirat};
use nix::unistd::{UnlinkatFlags, mkdir, unlinkat};
use std::cell::Cell;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use vassal_sys::error::{Context, SysError};

/// The name of the directory, below the one that only root may list.
pub const DIRECTORY: &str = "health";
/// The mode of the directory above: everybody may pass through it, and not list it.
const PASSABLE: Mode = Mode::from_bits_truncate(0o711);
const ROOTS_ALONE: u32 = 0o700;
const PUBLIC_DIRECTORY: Mode = Mode::from_bits_truncate(0o755);
const PUBLIC_FILE: Mode = Mode::from_bits_truncate(0o644);

/// The file of one vassal's record.
#[derive(Debug)]
pub struct Place {
    directory: OwnedFd,
    file: String,
    /// Whether a write error has been reported.
    is_reported: Cell<bool>,
}

impl Place {
    /// The record of the instance `name` below `base`, whose directories are made if necessary. Modes that an
    /// administrator has set are kept.
    ///
    /// # Errors
    /// As mkdir(2), open(2).
    pub fn make(base: &Path, name: &str) -> Result<Self, SysError> {
        let step = || {
            format!(
                "make the directory of health records '{}/{DIRECTORY}'",
                base.display()
            )
        };
        let is_new = is_made(mkdir(base, PASSABLE)).context(step)?;
        let above = open(base, opening(), Mode::empty()).context(step)?;
        // An earlier version made the directory with this mode.
        let was_closed = fstat(&above).context(step)?.st_mode & 0o777 == ROOTS_ALONE;
        if is_new || was_closed {
            fchmod(&above, PASSABLE).context(step)?;
        }
        let is_new = is_made(mkdirat(&above, DIRECTORY, PUBLIC_DIRECTORY)).context(step)?;
        let directory = openat(&above, DIRECTORY, opening(), Mode::empty()).context(step)?;
        if is_new {
            fchmod(&directory, PUBLIC_DIRECTORY).context(step)?;
        }
        Ok(Self::inherited(directory, name))
    }

    /// The record of the instance `name` in `directory`, which the previous program has opened.
    pub fn inherited(directory: OwnedFd, name: &str) -> Self {
        let file = file(name);
        let is_reported = Cell::new(false);
        Self {
            directory,
            file,
            is_reported,
        }
    }

    /// The directory, for the next program.
    pub fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Replaces the record. An error is returned only the first time: an outdated record is no reason to end, nor to
    /// fill the journal.
    pub fn put(&self, record: &str) -> Option<SysError> {
        self.write(record)
            .err()
            .filter(|_| !self.is_reported.replace(true))
    }

    /// Writes a new record and renames it into place.
    ///
    /// # Errors
    /// `ENOSPC`; `ENOENT` when the directory has been removed.
    fn write(&self, record: &str) -> Result<(), SysError> {
        let step = || format!("write the health record '{}'", self.file);
        let temporary = format!(".{}", self.file);
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(&self.directory, temporary.as_str(), flags, PUBLIC_FILE).context(step)?;
        // The mode is set explicitly, because a hook may have changed the umask.
        let written = fchmod(&file, PUBLIC_FILE).context(step);
        let written = written.and_then(|()| File::from(file).write_all(record.as_bytes()).context(step));
        let written = written.and_then(|()| {
            renameat(
                &self.directory,
                temporary.as_str(),
                &self.directory,
                self.file.as_str(),
            )
            .context(step)
        });
        written.inspect_err(|_| {
            // A partial file is of no use. If it cannot be removed, the next record replaces it.
            unlinkat(&self.directory, temporary.as_str(), UnlinkatFlags::NoRemoveDir).ok();
        })
    }

    /// Removes the record.
    ///
    /// # Errors
    /// As unlink(2); a missing record is no error.
    pub fn remove(&self) -> Result<(), SysError> {
        let removed = unlinkat(&self.directory, self.file.as_str(), UnlinkatFlags::NoRemoveDir);
        match removed {
            Err(Errno::ENOENT) => Ok(()),
            removed => removed.context(|| format!("remove the health record '{}'", self.file)),
        }
    }
}

/// Removes the record of the instance `name` below `base`.
///
/// # Errors
/// As open(2), unlink(2); a missing record is no error.
pub fn forget(base: &Path, name: &str) -> Result<(), SysError> {
    let path = base.join(DIRECTORY);
    match open(&path, opening(), Mode::empty()) {
        Err(Errno::ENOENT) => Ok(()),
        directory => {
            let directory = directory.context(|| format!("open '{}'", path.display()))?;
            Place::inherited(directory, name).remove()
        }
    }
}

fn opening() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC
}

fn is_made(made: nix::Result<()>) -> nix::Result<bool> {
    match made {
        Ok(()) => Ok(true),
        Err(Errno::EEXIST) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// The file of the instance `name`.
fn file(name: &str) -> String {
    format!("{name}.json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_record_is_replaced_as_a_whole_and_everybody_may_read_it() {
        let base = std::env::temp_dir().join(format!("vassal-health-{}", std::process::id()));
        let place = Place::make(&base, "user001").unwrap();
        let (records, file) = (base.join(DIRECTORY), base.join(DIRECTORY).join("user001.json"));
        assert_eq!((mode(&base), mode(&records)), (0o711, 0o755));
        for record in ["a long record\n", "short\n"] {
            place.write(record).unwrap();
            assert_eq!(std::fs::read_to_string(&file).unwrap(), record);
            assert_eq!(mode(&file), 0o644);
        }
        assert_eq!(records.read_dir().unwrap().count(), 1);
        // A record that root alone could read above it is as it was made before.
        std::fs::set_permissions(&base, PermissionsExt::from_mode(0o700)).unwrap();
        // And what an administrator has closed stays closed.
        std::fs::set_permissions(&records, PermissionsExt::from_mode(0o750)).unwrap();
        Place::make(&base, "user001").unwrap();
        assert_eq!((mode(&base), mode(&records)), (0o711, 0o750));
        forget(&base, "user001").unwrap();
        forget(&base, "user001").unwrap();
        place.remove().unwrap();
        assert!(!file.exists());
        std::fs::remove_dir_all(&base).unwrap();
        // Which is told once.
        assert_eq!(place.put("gone").unwrap().errno, Errno::ENOENT);
        assert_eq!(place.put("gone"), None);
        forget(&base, "user001").unwrap();
    }
}
