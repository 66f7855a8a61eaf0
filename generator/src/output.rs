//! Files in the generator's output directory: written completely or not at all, and never through a link made by
//! another user.

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat, openat2, readlinkat, renameat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, symlinkat, unlinkat};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use crate::drop_in::Text;
use vassal_config::emperor::name::VassalName;

/// The file in a vassal's drop-in directory. 50 leaves room before and after for the administrator's own.
const DROP_IN: &str = "50-vassal.conf";
/// The unit template that each vassal's unit is a link to.
const TEMPLATE: &str = "/usr/lib/systemd/system/vassal@.service";
/// The template of the socket of a vassal on demand.
const SOCKET_TEMPLATE: &str = "/usr/lib/systemd/system/vassal@.socket";
/// The socket that serves the vassals' statistics.
pub const STATISTICS: &str = "vassal-stats.socket";
const STATISTICS_UNIT: &str = "/usr/lib/systemd/system/vassal-stats.socket";
/// The directory of the target's wants-links.
const WANTS: &str = "vassals.target.wants";

/// An open directory. Files below it are reached through its descriptor, so that no rename or link can redirect a
/// write.
#[derive(Debug)]
pub struct Directory(OwnedFd);

impl Directory {
    /// Opens the directory at `path`.
    ///
    /// # Errors
    /// As open(2).
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Self(open(path, flags, Mode::empty())?))
    }

    /// Makes the directory `name` with `mode`, unless it is there, and opens it.
    ///
    /// # Errors
    /// As mkdir(2), open(2); `ELOOP` or `ENOTDIR` when something else has that name.
    pub fn enter(&self, name: &str, mode: Mode) -> io::Result<Self> {
        match mkdirat(&self.0, name, mode) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        Ok(Self(openat(&self.0, name, flags, Mode::empty())?))
    }

    /// Writes a file, replacing an existing one.
    ///
    /// # Errors
    /// As open(2), write(2), rename(2).
    pub fn put(&self, name: &str, bytes: &[u8], mode: Mode) -> io::Result<()> {
        let mut file = self.begin(name, mode)?;
        file.write_all(bytes)?;
        file.finish()
    }

    /// Begins a file that becomes visible when it is finished.
    ///
    /// # Errors
    /// As open(2).
    pub fn begin(&self, name: &str, mode: Mode) -> io::Result<Temporary> {
        let temporary = format!(".{name}.{}", std::process::id());
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let create = || openat(&self.0, temporary.as_str(), flags, mode);
        let file = match create() {
            // Left by a killed generator with the same process id, or made by a user who guessed the name.
            Err(Errno::EEXIST) => {
                unlinkat(&self.0, temporary.as_str(), UnlinkatFlags::NoRemoveDir)?;
                create()?
            }
            file => file?,
        };
        Ok(Temporary {
            directory: self.0.try_clone()?,
            file: File::from(file),
            temporary: Some(temporary),
            name: name.to_owned(),
        })
    }

    /// Makes a symbolic link, replacing one with another target.
    ///
    /// # Errors
    /// As symlink(2), unlink(2).
    pub fn link(&self, target: &str, name: &str) -> io::Result<()> {
        let make = || symlinkat(target, &self.0, name);
        match make() {
            Err(Errno::EEXIST) if readlinkat(&self.0, name).is_ok_and(|found| found == target) => Ok(()),
            Err(Errno::EEXIST) => {
                unlinkat(&self.0, name, UnlinkatFlags::NoRemoveDir)?;
                Ok(make()?)
            }
            made => Ok(made?),
        }
    }
}

/// A file written under a temporary name and renamed into place, so that a full disk or a second generator never leaves
/// a partial file. Removed when dropped before [`Temporary::finish`].
#[derive(Debug)]
pub struct Temporary {
    directory: OwnedFd,
    file: File,
    /// The name of the temporary file; `None` after it was renamed.
    temporary: Option<String>,
    name: String,
}

impl Temporary {
    /// Renames the file into place.
    ///
    /// # Errors
    /// As rename(2).
    pub fn finish(mut self) -> io::Result<()> {
        if let Some(from) = &self.temporary {
            renameat(
                &self.directory,
                from.as_str(),
                &self.directory,
                self.name.as_str(),
            )?;
        }
        self.temporary = None;
        Ok(())
    }
}

impl Write for Temporary {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(name) = &self.temporary {
            unlinkat(&self.directory, name.as_str(), UnlinkatFlags::NoRemoveDir).ok();
        }
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The generator's output directory, opened.
#[derive(Debug)]
pub struct Units {
    directory: Directory,
    wants: Directory,
}

impl Units {
    /// Opens the output directory at `path`.
    ///
    /// # Errors
    /// When it does not exist or cannot be written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let directory = Directory::open(path)?;
        let wants = directory.enter(WANTS, PUBLIC_DIRECTORY)?;
        Ok(Self { directory, wants })
    }

    /// Writes the drop-ins of a vassal that has none yet, and the target's wants-link to its service or, on demand, its
    /// socket.
    ///
    /// # Errors
    /// Any error of the filesystem; no partial drop-in is left.
    pub fn write(&self, name: &VassalName, text: &Text) -> io::Result<()> {
        self.put(&name.unit(), &text.service)?;
        match &text.socket {
            None => self.wants.link(TEMPLATE, &name.unit()),
            Some(socket) => {
                self.put(&name.socket(), socket)?;
                self.wants.link(SOCKET_TEMPLATE, &name.socket())
            }
        }
    }

    /// Writes the drop-ins of a vassal that may have others, which are replaced.
    ///
    /// # Errors
    /// Any error of the filesystem.
    pub fn replace(&self, name: &VassalName, text: &Text) -> io::Result<()> {
        match &text.socket {
            None => self.erase_unit(&name.socket())?,
            Some(_) => remove(&self.wants, &name.unit(), UnlinkatFlags::NoRemoveDir)?,
        }
        self.write(name, text)
    }

    /// Removes a vassal's drop-ins and wants-links.
    ///
    /// # Errors
    /// As unlink(2), rmdir(2); missing files are no error.
    pub fn erase(&self, name: &VassalName) -> io::Result<()> {
        self.erase_unit(&name.socket())?;
        self.erase_unit(&name.unit())
    }

    /// Writes the drop-in and the wants-link of the statistics socket; removes both when `drop_in` is `None`.
    ///
    /// # Errors
    /// Any error of the filesystem.
    pub fn write_statistics(&self, drop_in: Option<&str>) -> io::Result<()> {
        match drop_in {
            Some(drop_in) => {
                self.put(STATISTICS, drop_in)?;
                self.wants.link(STATISTICS_UNIT, STATISTICS)
            }
            None => self.erase_unit(STATISTICS),
        }
    }

    fn put(&self, unit: &str, drop_in: &str) -> io::Result<()> {
        let name = format!("{unit}.d");
        let is_new = mkdirat(&self.directory, name.as_str(), PUBLIC_DIRECTORY).is_ok();
        if !is_new || !self.put_first(&name, drop_in.as_bytes())? {
            let directory = self.directory.enter(&name, PUBLIC_DIRECTORY)?;
            directory.put(DROP_IN, drop_in.as_bytes(), PUBLIC_FILE)?;
        }
        Ok(())
    }

    fn erase_unit(&self, unit: &str) -> io::Result<()> {
        let directory = format!("{unit}.d");
        remove(&self.wants, unit, UnlinkatFlags::NoRemoveDir)?;
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        match openat(&self.directory, directory.as_str(), flags, Mode::empty()) {
            Ok(found) => remove(&Directory(found), DROP_IN, UnlinkatFlags::NoRemoveDir)?,
            Err(Errno::ENOENT) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
        remove(&self.directory, &directory, UnlinkatFlags::RemoveDir)
    }

    /// Writes the drop-in into the directory `name`, which was made just now. No rename is needed: nothing reads it
    /// before the run is over. Returns `false` where there is such a file already, or `name` leads elsewhere by now.
    fn put_first(&self, name: &str, bytes: &[u8]) -> io::Result<bool> {
        let path = format!("{name}/{DROP_IN}");
        let how = OpenHow::new()
            .flags(OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC)
            .mode(PUBLIC_FILE)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
        let Ok(file) = openat2(&self.directory, path.as_str(), how) else {
            return Ok(false);
        };
        let written = File::from(file).write_all(bytes);
        if written.is_err() {
            unlinkat(&self.directory, path.as_str(), UnlinkatFlags::NoRemoveDir).ok();
        }
        written.map(|()| true)
    }
}

fn remove(place: &Directory, name: &str, flag: UnlinkatFlags) -> io::Result<()> {
    match unlinkat(place, name, flag) {
        Err(Errno::ENOENT) | Ok(()) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// The drop-in of the statistics socket in the output directory at `path`.
pub fn statistics(path: &Path) -> Option<String> {
    std::fs::read_to_string(path.join(format!("{STATISTICS}.d")).join(DROP_IN)).ok()
}

/// Whether the output directory at `path` contains exactly `text` for the vassal `name`.
pub fn has(path: &Path, name: &VassalName, text: &Text) -> bool {
    let drop_in = |unit: String| std::fs::read(path.join(format!("{unit}.d")).join(DROP_IN)).ok();
    drop_in(name.unit()).as_deref() == Some(text.service.as_bytes())
        && drop_in(name.socket()).as_deref() == text.socket.as_ref().map(String::as_bytes)
}

/// The units that have files in the output directory at `path`.
///
/// # Errors
/// When it cannot be read; a missing directory is empty.
pub fn units(path: &Path) -> io::Result<Vec<String>> {
    let names = |path: &Path| match std::fs::read_dir(path) {
        Ok(entries) => entries
            .map(|entry| Ok(entry?.file_name().into_string().unwrap_or_default()))
            .collect::<io::Result<Vec<String>>>(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    let directories = names(path)?
        .into_iter()
        .filter_map(|name| name.strip_suffix(".d").map(str::to_owned));
    Ok(directories.chain(names(&path.join(WANTS))?).collect())
}

const PUBLIC_DIRECTORY: Mode = Mode::from_bits_truncate(0o755);
const PUBLIC_FILE: Mode = Mode::from_bits_truncate(0o644);
