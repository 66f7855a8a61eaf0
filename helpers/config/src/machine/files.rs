//! Opening the machine's files without blocking.

use crate::machine::exec_source;
use crate::machine::world::ReadError;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// open(2): do not wait for a FIFO's writer. asm-generic; alpha, mips, parisc and sparc have other numbers, and refuse the
/// unknown ones or read the file all the same, which was seen to be regular before.
const O_NONBLOCK: i32 = 0o4000;

/// open(2): do not become the controlling process of a terminal.
const O_NOCTTY: i32 = 0o400;

/// Opens without waiting and without side effects on this process.
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

/// Opens a regular file. Looked at before it is opened, because opening a device may do something, and again after, because
/// it may have been replaced.
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
