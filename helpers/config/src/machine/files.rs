//! Opening the machine's files without blocking.

use crate::machine::exec_source;
use crate::machine::world::ReadError;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// O_NONBLOCK of open(2), so that opening a FIFO does not wait for a writer. alpha, mips, parisc and sparc have other
/// numbers; there an unknown flag is refused, or the file, which was seen to be regular before, is read anyway.
const O_NONBLOCK: i32 = 0o4000;

/// O_NOCTTY of open(2), so that opening a terminal does not make it the controlling one.
const O_NOCTTY: i32 = 0o400;

/// Opens a file without waiting, and without side effects on this process.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(O_NONBLOCK | O_NOCTTY)
        .open(path)
}

/// Reads a regular file of at most `limit` bytes.
pub(crate) fn read_regular(path: &Path, limit: usize) -> Result<Vec<u8>, ReadError> {
    exec_source::read_at_most(open_regular(path)?.file, limit)
}

/// A regular file, open.
#[derive(Debug)]
pub(crate) struct Regular {
    pub(crate) file: File,
    pub(crate) metadata: Metadata,
    /// Whether its name is a link.
    pub(crate) is_link: bool,
}

/// Opens a regular file. The type is checked before opening, because opening a device may have effects, and again after
/// it, because the file may have been replaced.
pub(crate) fn open_regular(path: &Path) -> Result<Regular, ReadError> {
    let failed = |error: io::Error| ReadError::from_io(&error);
    let named = fs::symlink_metadata(path).map_err(failed)?;
    let is_link = named.is_symlink();
    match is_link {
        true => check_regular(&fs::metadata(path).map_err(failed)?)?,
        false => check_regular(&named)?,
    }
    let file = open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    check_regular(&metadata)?;
    Ok(Regular {
        file,
        metadata,
        is_link,
    })
}

fn check_regular(metadata: &Metadata) -> Result<(), ReadError> {
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Err(ReadError::Directory);
    }
    if !kind.is_file() {
        return Err(ReadError::NotAFile);
    }
    Ok(())
}
