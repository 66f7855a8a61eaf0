//! Files that root opens for a vassal: its log, its pidfile, its envdir, what a `write` hook writes. A tenant may own
//! directories on the way to them, so no symbolic link of anybody but root is followed (SECURITY.md).

use crate::failure::Failure;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, FcntlArg, OFlag, OpenHow, ResolveFlag, fcntl, open, openat2};
use nix::sys::stat::Mode;
use nix::unistd::geteuid;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{File, read_link, symlink_metadata};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use vassal_sys::SysError;
use vassal_sys::error::Step;
use vassal_sys::text::printable;

/// As the kernel's own limit (path_resolution(7)).
const LINKS: usize = 40;
/// The most that is read of one file of an envdir.
const VARIABLE_LIMIT: u64 = 64 << 10;
const NOT_FOLLOWED: &str =
    "a symbolic link that is not root's, or in a directory others can write, is not followed as root";
/// What nobody but the owner may have, for a directory to be trusted.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The most that all files of an envdir may have together; execve(2) takes 2 MiB.
const ENVDIR_LIMIT: usize = 1 << 20;

/// A variable, and its value, or that it is to be unset.
pub type Change = (Vec<u8>, Option<Vec<u8>>);

/// Opens the file that gets the app's output, as uWSGI does: mode 0640, at its end.
///
/// # Errors
/// What the kernel refused.
pub fn open_log(path: &[u8]) -> Result<OwnedFd, SysError> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_APPEND | OFlag::O_NOCTTY;
    let log = open_for_writing(path, flags, 0o640)?;
    // The app writes there as it would into the journal's pipe: it waits where there is no room.
    fcntl(&log, FcntlArg::F_SETFL(OFlag::O_APPEND)).step(|| format!("open '{}'", printable(path)))?;
    Ok(log)
}

/// Opens the file that gets the number of the app's process.
///
/// # Errors
/// What the kernel refused.
pub fn open_pidfile(path: &[u8]) -> Result<File, SysError> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC;
    open_for_writing(path, flags, 0o666).map(File::from)
}

/// open(2) for writing, which does not wait; as root, no symbolic link but root's own is followed.
///
/// # Errors
/// `ELOOP` for a link of somebody else's; `ENXIO` for a FIFO that nobody reads; what the kernel refused.
pub fn open_for_writing(path: &[u8], flags: OFlag, mode: u32) -> Result<OwnedFd, SysError> {
    let flags = flags | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let mode = Mode::from_bits_truncate(mode);
    let shown = || format!("open '{}'", printable(path));
    let path = Path::new(OsStr::from_bytes(path));
    if !geteuid().is_root() {
        return open(path, flags, mode).map_err(|errno| told(shown(), &errno.into()));
    }
    let path = resolve(path, Last::Followed).map_err(|error| told(shown(), &error))?;
    let how = OpenHow::new()
        .flags(flags)
        .mode(if flags.contains(OFlag::O_CREAT) {
            mode
        } else {
            Mode::empty()
        })
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    openat2(AT_FDCWD, &path, how).map_err(|errno| told(shown(), &errno.into()))
}

fn told(step: String, error: &io::Error) -> SysError {
    let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
    SysError::new(step, errno).meaning(match errno {
        Errno::ELOOP => Some(NOT_FOLLOWED),
        Errno::ENXIO => Some("it is a FIFO that nobody reads"),
        _ => None,
    })
}

/// What becomes of a link at the end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Followed,
    Kept,
}

/// `path` with the links to directories on its way replaced, as far as only root can have made them.
///
/// # Errors
/// `ELOOP` for a link of somebody else's; a directory that is not there.
pub fn without_links(path: &Path) -> io::Result<PathBuf> {
    resolve(path, Last::Kept)
}

fn resolve(path: &Path, last: Last) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    let mut left: VecDeque<OsString> = names(&absolute);
    let mut done = PathBuf::from("/");
    let mut links = 0;
    while let Some(name) = left.pop_front() {
        if name == ".." {
            done.pop();
            continue;
        }
        let next = done.join(&name);
        let is_link = match (symlink_metadata(&next), left.is_empty(), last) {
            (_, true, Last::Kept) => false,
            // It may be about to be made.
            (Err(error), true, Last::Followed) if error.kind() == io::ErrorKind::NotFound => false,
            (status, ..) => status?.is_symlink(),
        };
        if !is_link {
            done = next;
            continue;
        }
        links += 1;
        let directory = symlink_metadata(&done)?;
        let is_roots = symlink_metadata(&next)?.uid() == 0 && directory.uid() == 0;
        if links > LINKS || !is_roots || directory.mode() & WRITABLE_BY_OTHERS != 0 {
            return Err(Errno::ELOOP.into());
        }
        let target = read_link(&next)?;
        if target.is_absolute() {
            done = PathBuf::from("/");
        }
        for name in names(&target).into_iter().rev() {
            left.push_front(name);
        }
    }
    Ok(done)
}

/// Opens a directory that [`without_links`] has led to, as long as there is still no link on the way.
///
/// # Errors
/// What the kernel refused.
pub fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    openat2(AT_FDCWD, path, how).map_err(io::Error::from)
}

/// Whether every directory on the way to `path`, which is absolute, is root's, and nobody else may write there.
pub fn is_roots_alone(path: &Path) -> bool {
    let mut directories = path.ancestors().skip(1);
    directories.all(|directory| {
        symlink_metadata(directory)
            .is_ok_and(|status| status.uid() == 0 && status.mode() & WRITABLE_BY_OTHERS == 0)
    })
}

fn names(path: &Path) -> VecDeque<OsString> {
    let name = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(name).collect()
}

/// The variables of an envdir: one for each file, named as the file is. The value is the content up to a NUL, without
/// white space at the end; an empty file stands for a variable that is to be unset (measured). And whether nobody but root
/// can have put them there.
///
/// # Errors
/// A directory or file that cannot be read; a symbolic link among the files, or one on the way that is not root's: what
/// it leads to is nobody's to tell an app. More than 1 MiB.
pub fn read_envdir(path: &[u8]) -> Result<(Vec<Change>, bool), Failure> {
    let refuse = |name: &[u8], error: io::Error| {
        let shown = printable(&[path, name].concat());
        let meaning = match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ELOOP) => NOT_FOLLOWED.to_owned(),
            _ => error.to_string(),
        };
        Failure::passing(format!("cannot read '{shown}': {meaning}"))
    };
    let opened = without_links(&Path::new(OsStr::from_bytes(path)).join("FILE"));
    let opened = opened.and_then(|file| {
        let directory = open_directory(file.parent().unwrap_or(&file))?;
        Ok((directory, is_roots_alone(&file)))
    });
    let (directory, mut is_roots) = opened.map_err(|error| refuse(b"", error))?;
    // Through the descriptor: the path may lead elsewhere by now.
    let entries = std::fs::read_dir(format!("/proc/self/fd/{}", directory.as_raw_fd()));
    let entries = entries.map_err(|error| refuse(b"", error))?;
    let mut variables = Vec::new();
    let mut size = 0;
    for entry in entries {
        let entry = entry.map_err(|error| refuse(b"", error))?;
        let name = entry.file_name().into_vec();
        if name.starts_with(b".") || name.contains(&b'=') {
            continue;
        }
        let value =
            read_variable(&entry.path()).map_err(|error| refuse(&[b"/", name.as_slice()].concat(), error))?;
        let Some((value, is_files_roots)) = value else {
            continue;
        };
        is_roots &= is_files_roots;
        size += name.len() + value.len();
        if size > ENVDIR_LIMIT {
            return Err(refuse(b"", io::Error::other("more than 1 MiB of variables")));
        }
        variables.push((name, (!value.is_empty()).then(|| trimmed(&value))));
    }
    variables.sort();
    Ok((variables, is_roots))
}

/// The content of a regular file, and whether nobody but root can have written it.
fn read_variable(path: &Path) -> io::Result<Option<(Vec<u8>, bool)>> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty())?);
    let status = file.metadata()?;
    if !status.is_file() {
        return Ok(None);
    }
    let mut value = Vec::new();
    file.take(VARIABLE_LIMIT).read_to_end(&mut value)?;
    Ok(Some((
        value,
        status.uid() == 0 && status.mode() & WRITABLE_BY_OTHERS == 0,
    )))
}

fn trimmed(value: &[u8]) -> Vec<u8> {
    let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
    text.trim_ascii_end().to_vec()
}
