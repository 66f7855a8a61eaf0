//! Opens files for a vassal as root: its log, its pidfile, its envdir, the target of a `write` hook. A tenant may own
//! directories on the way, so no symbolic link but root's own is followed, and a file's type is checked before it is
//! opened (SECURITY.md).

use crate::failure::{Failure, HookFailure};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::unistd::geteuid;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use vassal_escape::printable;
use vassal_sys::SysError;
use vassal_sys::error::Context;
use vassal_sys::proc::Proc;
use vassal_sys::reach::{self, Last, NOT_FOLLOWED, Place};

/// The most that is read of one file of an envdir.
const VARIABLE_LIMIT: u64 = 64 << 10;
/// The most that all files of an envdir may contain together; execve(2) takes 2 MiB.
const ENVDIR_LIMIT: usize = 1 << 20;

const SHARED: &str =
    "it has other names, too, and stands in a directory that is not root's alone (hard links)";

/// A variable with its value, or with `None` to unset it.
pub type Change = (Vec<u8>, Option<Vec<u8>>);

/// How often opening is tried again because others have made the file after it was seen not to exist.
const ATTEMPTS: usize = 8;

/// Opens the file for the app's output, as uWSGI does: mode 0640, appending.
///
/// # Errors
/// Any error of the kernel.
pub fn open_log(path: &[u8], proc: &Proc) -> Result<OwnedFd, SysError> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_APPEND | OFlag::O_NOCTTY;
    let log = open_for_writing(path, flags, 0o640, Kind::File, proc)?;
    // Blocking mode: the app's writes wait where there is no room, as with the journal.
    fcntl(&log, FcntlArg::F_SETFL(OFlag::O_APPEND)).context(|| format!("open '{}'", printable(path)))?;
    Ok(log)
}

/// Opens the file for the number of the app's process.
///
/// # Errors
/// Any error of the kernel.
pub fn open_pidfile(path: &[u8], proc: &Proc) -> Result<File, SysError> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC;
    open_for_writing(path, flags, 0o666, Kind::File, proc).map(File::from)
}

/// The type of file that a line expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file; also a FIFO or a device that nobody but root can have put there.
    File,
    /// A FIFO.
    Fifo,
}

/// Opens a file for writing, without waiting. As root it follows no symbolic link but root's own, and refuses devices
/// and FIFOs of a tenant's where [`Kind::File`] is expected.
///
/// # Errors
/// `ELOOP` for a link that is not root's; `ENXIO` for a FIFO without a reader; any error of the kernel.
pub fn open_for_writing(
    path: &[u8],
    flags: OFlag,
    mode: u32,
    kind: Kind,
    proc: &Proc,
) -> Result<OwnedFd, SysError> {
    let flags = flags | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let mode = Mode::from_bits_truncate(mode);
    let shown = || format!("open '{}'", printable(path));
    let path = Path::new(OsStr::from_bytes(path));
    if !geteuid().is_root() {
        return open(path, flags, mode).map_err(|errno| explain(shown(), errno));
    }
    for _ in 0..ATTEMPTS {
        let place = reach::place(path, Last::Followed).map_err(|errno| explain(shown(), errno))?;
        if let Some(object) = &place.object {
            let status = fstat(object).context(shown)?;
            if let Some(why) = why_not(&status, kind, path)? {
                return Err(SysError::new(shown(), Errno::EINVAL).meaning(Some(why)));
            }
            let opened = reach::reopen(proc, object, flags - OFlag::O_CREAT);
            return opened.map_err(|errno| explain(shown(), errno));
        }
        if !flags.contains(OFlag::O_CREAT) {
            return Err(explain(shown(), Errno::ENOENT));
        }
        let made = flags | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
        match openat(&place.directory, place.name.as_os_str(), made, mode) {
            Err(Errno::EEXIST) => {}
            made => return made.map_err(|errno| explain(shown(), errno)),
        }
    }
    Err(SysError::new(shown(), Errno::EEXIST).meaning(Some("others make and remove it all the time")))
}

/// Why root must not open a file with this status for writing; `None` if it may.
fn why_not(status: &FileStat, kind: Kind, path: &Path) -> Result<Option<&'static str>, SysError> {
    Ok(match (reach::kind(status), kind) {
        (SFlag::S_IFREG, _) | (SFlag::S_IFIFO, Kind::Fifo) => {
            let is_shared = status.st_nlink > 1 && reach::is_regular(status) && !only_root_can_write(path)?;
            is_shared.then_some(SHARED)
        }
        (SFlag::S_IFDIR, _) => Some("it is a directory"),
        _ if only_root_can_write(path)? => None,
        _ => Some("it is neither a regular file nor in directories that are root's alone"),
    })
}

/// As root, refuses a file with several names, unless nobody but root can have given it this one.
///
/// # Errors
/// `EMLINK`.
pub fn refuse_shared(object: &OwnedFd, path: &Path, step: impl Fn() -> String) -> Result<(), SysError> {
    let status = fstat(object).context(&step)?;
    if reach::is_directory(&status) || status.st_nlink < 2 || only_root_can_write(path)? {
        return Ok(());
    }
    Err(SysError::new(step(), Errno::EMLINK).meaning(Some(SHARED)))
}

fn explain(step: String, errno: Errno) -> SysError {
    SysError::new(step, errno).meaning(match errno {
        Errno::ELOOP => Some(NOT_FOLLOWED),
        Errno::ENXIO => Some("it is a FIFO that nobody reads"),
        _ => None,
    })
}

/// Resolves `path`. As root it follows only links that nobody but root can have made.
///
/// # Errors
/// `ELOOP` for a link that is not root's; any error of the kernel.
pub fn place(path: &Path, last: Last, step: impl Fn() -> String) -> Result<Place, SysError> {
    reach::place(path, last).map_err(|errno| explain(step(), errno))
}

/// Resolves `path` to an existing object.
///
/// # Errors
/// As [`place`]; `ENOENT`.
pub fn object(path: &Path, step: impl Fn() -> String) -> Result<OwnedFd, SysError> {
    let place = place(path, Last::Followed, &step)?;
    place.object.ok_or(Errno::ENOENT).context(step)
}

/// Whether all directories on the way to `path` belong to root and can be written by root only.
///
/// # Errors
/// Any error of the kernel.
pub fn only_root_can_write(path: &Path) -> Result<bool, SysError> {
    let step = || format!("look at '{}'", printable(path.as_os_str().as_bytes()));
    let absolute = std::path::absolute(path).context(step)?;
    let root = reach::root().context(step)?;
    Ok(reach::judge(&root, &absolute, Last::Kept)
        .context(step)?
        .foreign
        .is_none())
}

/// The variables of an envdir: one for each file, with the file's name. The value is the content up to a NUL, without
/// white space at the end; an empty file unsets the variable (measured). Also whether nobody but root can have written
/// them.
///
/// # Errors
/// A directory or file that cannot be read; more than 1 MiB; a symbolic link among the files, or one on the way that is
/// not root's, because its target may be a file that the app must not read.
pub fn read_envdir(path: &[u8], proc: &Proc) -> Result<(Vec<Change>, bool), Failure> {
    let refuse = |name: &[u8], errno: Errno| {
        let path = [path, name].concat();
        HookFailure::Envdir { path, errno }
    };
    let (directory, mut is_trusted) =
        open_envdir(Path::new(OsStr::from_bytes(path)), proc).map_err(|errno| refuse(b"", errno))?;
    let mut variables = Vec::new();
    let mut size = 0;
    for name in entries(&directory, proc).map_err(|errno| refuse(b"", errno))? {
        let name = name.into_vec();
        if name.starts_with(b".") || name.contains(&b'=') {
            continue;
        }
        let value = read_variable(&directory, OsStr::from_bytes(&name), proc)
            .map_err(|errno| refuse(&[b"/", name.as_slice()].concat(), errno))?;
        let Some((value, is_file_trusted)) = value else {
            continue;
        };
        is_trusted &= is_file_trusted;
        size += name.len() + value.len();
        if size > ENVDIR_LIMIT {
            return Err(HookFailure::EnvdirTooLong { path: path.to_vec() }.into());
        }
        variables.push((name, (!value.is_empty()).then(|| trimmed(&value))));
    }
    variables.sort();
    Ok((variables, is_trusted))
}

/// Opens the directory. Also whether nobody but root can have put files there.
fn open_envdir(path: &Path, proc: &Proc) -> nix::Result<(OwnedFd, bool)> {
    let place = reach::place(&path.join("FILE"), Last::Kept)?;
    let directory = reach::reopen(proc, &place.directory, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
    let way = std::path::absolute(path.join("FILE")).map_err(|_| Errno::ENOENT)?;
    let judged = reach::judge(&reach::root()?, &way, Last::Kept)?;
    Ok((directory, judged.foreign.is_none()))
}

/// The names in a directory, read through its descriptor, as the path may lead elsewhere by now.
fn entries(directory: &OwnedFd, proc: &Proc) -> nix::Result<Vec<OsString>> {
    let errno = |error: io::Error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
    let path = format!("self/fd/{}", directory.as_raw_fd());
    let listed = reach::within(proc, || std::fs::read_dir(&path).map_err(errno))?;
    listed
        .map(|entry| entry.map(|entry| entry.file_name()).map_err(errno))
        .collect()
}

/// Reads a regular file. Also whether nobody but root can have written it.
fn read_variable(directory: &OwnedFd, name: &OsStr, proc: &Proc) -> nix::Result<Option<(Vec<u8>, bool)>> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let object = openat(directory, name, flags, Mode::empty())?;
    let status = fstat(&object)?;
    if reach::is_link(&status) {
        return Err(Errno::ELOOP);
    }
    if !reach::is_regular(&status) {
        return Ok(None);
    }
    let file = File::from(reach::reopen(proc, &object, OFlag::O_RDONLY)?);
    let mut value = Vec::new();
    let read = file.take(VARIABLE_LIMIT).read_to_end(&mut value);
    read.map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
    Ok(Some((value, reach::why_foreign(&status).is_none())))
}

fn trimmed(value: &[u8]) -> Vec<u8> {
    let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
    text.trim_ascii_end().to_vec()
}
