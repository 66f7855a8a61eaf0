//! Files and names below a directory that is given by descriptor.

use crate::error::{Context, SysError};
use nix::dir::Dir;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use std::fs::File;
use std::os::fd::AsFd;

/// Opens `path` below the directory `dir` for reading, close-on-exec.
///
/// # Errors
/// As openat(2).
pub fn open_below(dir: impl AsFd, path: &str) -> Result<File, SysError> {
    let fd = openat(
        dir,
        path,
        OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW,
        Mode::empty(),
    );
    fd.map(File::from).context(|| format!("open '{path}'"))
}

/// The names in the directory `path` below `dir`, without `.` and `..`.
///
/// # Errors
/// As openat(2), getdents(2).
pub fn list(dir: impl AsFd, path: &str) -> Result<Vec<String>, SysError> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut open = Dir::openat(dir, path, flags, Mode::empty()).context(|| format!("list '{path}'"))?;
    let names = open
        .iter()
        .filter_map(Result::ok)
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names.filter(|name| name != "." && name != "..").collect())
}
