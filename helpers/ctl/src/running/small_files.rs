//! Directories with small files of which thousands are read: each is opened by a short name in an open directory, and read into the
//! stack, as a long path and an allocation for each cost more than what is in them.

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags, openat, statat};
use rustix::io::{Errno, read};
use std::path::Path;

/// How much is read at once: less than a page, as a file of the kernel's may give less than it has where its own page is full.
const CHUNK: usize = 2048;

/// An open directory.
#[derive(Debug)]
pub struct Directory(OwnedFd);

impl Directory {
    /// The directory at `path`, if there is one.
    pub fn open(path: &Path) -> Option<Self> {
        Self::at(rustix::fs::CWD, path)
    }

    /// The directory `path` in this one, if there is one.
    pub fn below(&self, path: &str) -> Option<Self> {
        Self::at(&self.0, Path::new(path))
    }

    fn at(place: impl rustix::fd::AsFd, path: &Path) -> Option<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(place, path, flags, Mode::empty()).ok().map(Self)
    }

    /// Whether something of that name is in it.
    pub fn has(&self, name: &str) -> bool {
        statat(&self.0, name, AtFlags::empty()).is_ok()
    }

    /// What `take` makes of the first `limit` bytes of the file `name`.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read<T>(&self, name: &str, limit: usize, take: impl FnOnce(&[u8]) -> T) -> Result<T, Errno> {
        let file = openat(&self.0, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut first = [0; CHUNK];
        let mut chunk = read(&file, &mut first)?;
        // A chunk that is not full is the last one.
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

    /// What `take` makes of the text of the file `name`; one that is not there, or has no text, says nothing.
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
