//! Reads thousands of small files in directories. Each file is opened by a short name relative to the open directory,
//! and read into a buffer on the stack: a long path and an allocation for each would cost more than the rest.

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags, openat, statat};
use rustix::io::{Errno, read};
use std::path::Path;

/// How much is read at once. It is less than a page, because a file of the kernel's may return less than its content
/// where its own buffer of a page is full.
const CHUNK: usize = 2048;

/// An open directory.
#[derive(Debug)]
pub struct Directory(OwnedFd);

impl Directory {
    /// Opens the directory at `path`; `None` if it does not exist.
    pub fn open(path: &Path) -> Option<Self> {
        Self::at(rustix::fs::CWD, path)
    }

    /// Opens the directory `path` in this one; `None` if it does not exist.
    pub fn below(&self, path: &str) -> Option<Self> {
        Self::at(&self.0, Path::new(path))
    }

    fn at(place: impl rustix::fd::AsFd, path: &Path) -> Option<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(place, path, flags, Mode::empty()).ok().map(Self)
    }

    /// Whether the directory contains `name`.
    pub fn has(&self, name: &str) -> bool {
        statat(&self.0, name, AtFlags::empty()).is_ok()
    }

    /// Calls `take` with the first `limit` bytes of the file `name`, and returns its result.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read<T>(&self, name: &str, limit: usize, take: impl FnOnce(&[u8]) -> T) -> Result<T, Errno> {
        let file = openat(&self.0, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut first = [0; CHUNK];
        let mut chunk = read(&file, &mut first)?;
        // A partly filled chunk is the last one.
        if chunk < CHUNK {
            return Ok(take(&first[..chunk]));
        }
        let mut bytes = first.to_vec();
        while chunk == CHUNK && bytes.len() < limit {
            chunk = read(&file, &mut first)?;
            bytes.extend_from_slice(&first[..chunk]);
        }
        bytes.truncate(limit);
        Ok(take(&bytes))
    }

    /// Calls `take` with the text of the file `name`; with an empty text if the file is missing or is not text.
    pub fn text<T>(&self, name: &str, take: impl Fn(&str) -> T) -> T {
        let text = |bytes: &[u8]| take(std::str::from_utf8(bytes).unwrap_or_default());
        self.read(name, usize::MAX, text).unwrap_or_else(|_| take(""))
    }
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, Directory};
    use rustix::io::Errno;

    #[test]
    fn a_file_is_read_whole_or_up_to_the_limit() {
        let place = tempfile::tempdir().unwrap();
        for size in [0, 5, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            std::fs::write(place.path().join("file"), "x".repeat(size)).unwrap();
            let directory = Directory::open(place.path()).unwrap();
            assert_eq!(directory.text("file", str::len), size);
            let cut = directory.read("file", 2 * CHUNK, <[u8]>::len);
            assert_eq!(cut, Ok(size.min(2 * CHUNK)));
        }
    }

    #[test]
    fn what_is_not_there_says_nothing() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("inner")).unwrap();
        let directory = Directory::open(place.path()).unwrap();
        assert!(directory.has("inner") && !directory.has("file"));
        assert!(directory.below("inner").is_some() && directory.below("file").is_none());
        assert_eq!(directory.text("file", str::len), 0);
        assert_eq!(directory.read("file", 1, <[u8]>::len), Err(Errno::NOENT));
    }
}
