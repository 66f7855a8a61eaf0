//! Stores the restart record in a file.

use super::record::{Next, RestartRecord};
use crate::codec::{Reader, Writer};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::Mode;
use nix::unistd::{mkdir, unlink};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use vassal_sys::error::{Context, SysError};

/// The record's name in the FD store (`FDNAME=`). It is kept there for a unit without a runtime directory, and for a
/// record that has no file. The name changes with the record's format, because an upgraded vassal-enter finds what the
/// version before has left.
pub const NAME: &str = "vassal-record-3";
/// The directory of the records, with one file for each vassal.
pub const DIRECTORY: &str = "/run/vassal";

/// The suffix of the file's name: the version of the record's format.
const SUFFIX: &str = ".3";
/// More than the length of any record.
const RECORD_LIMIT: usize = 1024;

/// A record in a file or a memfd.
#[derive(Debug)]
pub struct Store(File);

impl Store {
    /// Opens the record of the vassal `name` in `directory` (made if necessary, accessible to root only), for a start
    /// that has found none in the FD store. The content is kept if `goes_on`, or if vassal-retry@.service has made this
    /// start; else only the list of unsaved filesystems is kept. Also returns what was to start the vassal next, which
    /// tells whether a retry still waits.
    ///
    /// # Errors
    /// As mkdir(2), open(2); `ENOSPC`.
    pub fn create(directory: &Path, name: &str, goes_on: bool) -> Result<(Self, Next), SysError> {
        let path = file(directory, name);
        let step = || format!("make the restart record '{}'", path.display());
        make_directory(directory)?;
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let store = Self(File::from(
            open(&path, flags, Mode::S_IRUSR | Mode::S_IWUSR).context(step)?,
        ));
        let found = store.read();
        if found.next != Next::Asked && !goes_on {
            store.write(&RestartRecord {
                unsaved: found.unsaved,
                ..RestartRecord::default()
            })?;
        }
        Ok((store, found.next))
    }

    /// Opens the record that a start has left for the vassal `name` in `directory`.
    ///
    /// # Errors
    /// As open(2).
    pub fn open(directory: &Path, name: &str) -> Result<Self, SysError> {
        let path = file(directory, name);
        let flags = OFlag::O_RDWR | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        open(&path, flags, Mode::empty())
            .map(|fd| Self(File::from(fd)))
            .context(|| format!("open the restart record '{}'", path.display()))
    }

    /// An empty record in a memfd. A later start finds it only through the FD store.
    ///
    /// # Errors
    /// `EMFILE`, `ENOMEM`.
    pub fn in_memory() -> Result<Self, SysError> {
        let fd =
            memfd_create(c"vassal-record", MFdFlags::MFD_CLOEXEC).context(|| "make the restart record")?;
        Ok(Self(File::from(fd)))
    }

    /// The record in a descriptor that came from the FD store or from the previous program.
    pub fn inherited(fd: OwnedFd) -> Self {
        Self(File::from(fd))
    }

    /// The descriptor, for the FD store and for the next program.
    pub fn file(&self) -> &File {
        &self.0
    }

    /// Reads the record; an unreadable one counts as empty.
    pub fn read(&self) -> RestartRecord {
        let mut bytes = [0; RECORD_LIMIT];
        let length = self.0.read_at(&mut bytes, 0).unwrap_or(0);
        RestartRecord::read(&mut Reader::new(bytes[..length].to_vec())).unwrap_or_default()
    }

    /// Writes the record. Readers ignore bytes after its end, so the file is truncated only afterwards: a process that
    /// is killed in between leaves a complete record.
    ///
    /// # Errors
    /// `ENOSPC`, `ENOMEM`.
    pub fn write(&self, record: &RestartRecord) -> Result<(), SysError> {
        let step = || "write the restart record";
        let mut writer = Writer::default();
        record.write(&mut writer);
        let bytes = writer.into_bytes();
        self.0.write_all_at(&bytes, 0).context(step)?;
        self.0.set_len(bytes.len() as u64).context(step)
    }

    /// Reads the record, changes it, and writes it.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn update(&self, change: impl FnOnce(&mut RestartRecord)) -> Result<(), SysError> {
        let mut record = self.read();
        change(&mut record);
        self.write(&record)
    }
}

/// Makes `directory`, accessible to root only, unless it exists.
///
/// # Errors
/// As mkdir(2).
pub fn make_directory(directory: &Path) -> Result<(), SysError> {
    match mkdir(directory, Mode::S_IRWXU) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(SysError::new(format!("make '{}'", directory.display()), errno)),
    }
}

/// Removes the record of the vassal `name`, which no longer exists. A record that lists unsaved data stays, so that the
/// loss is reported.
///
/// # Errors
/// As open(2), unlink(2); a missing record is no error.
pub fn forget(directory: &Path, name: &str) -> Result<(), SysError> {
    let path = file(directory, name);
    let step = || format!("remove the restart record '{}'", path.display());
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let store = match open(&path, flags, Mode::empty()) {
        Err(Errno::ENOENT) => return Ok(()),
        found => Store(File::from(found.context(step)?)),
    };
    if !store.read().unsaved.is_empty() {
        return Ok(());
    }
    unlink(&path).context(step)
}

/// The file of the vassal `name`. It is last written when a run ends, so its date tells when that was.
pub fn file(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}{SUFFIX}"))
}

#[cfg(test)]
mod tests {
    use super::super::record::End;
    use super::*;
    use crate::limit_hits::LimitHits;
    use std::time::{Duration, SystemTime};

    #[test]
    fn a_first_start_finds_what_was_not_saved_and_nothing_else() {
        let directory = std::env::temp_dir().join(format!("vassal-record-{}", std::process::id()));
        let create = || Store::create(&directory, "user001", false).unwrap();
        let mut killed = RestartRecord {
            attempts: 3,
            restarts: 7,
            cause: "dead".into(),
            unsaved: "/app".into(),
            ..RestartRecord::default()
        };
        let only_unsaved = RestartRecord {
            unsaved: "/app".into(),
            ..RestartRecord::default()
        };
        for next in [Next::Restart, Next::Retry] {
            killed.next = next;
            create().0.write(&killed).unwrap();
            let (found, was_next) = create();
            assert_eq!((found.read(), was_next), (only_unsaved.clone(), next));
        }
        // But for a restart, and the attempt that the retry has asked for, which go on counting.
        killed.next = Next::Restart;
        create().0.write(&killed).unwrap();
        let (goes_on, _) = Store::create(&directory, "user001", true).unwrap();
        assert_eq!(goes_on.read(), killed);
        killed.next = Next::Asked;
        Store::open(&directory, "user001")
            .unwrap()
            .write(&killed)
            .unwrap();
        let (found, was_next) = create();
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!((found.read(), was_next), (killed, Next::Asked));
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_long_texts_are_cut() {
        let store = Store::in_memory().unwrap();
        assert_eq!(store.read(), RestartRecord::default());
        let mut limits = LimitHits::default();
        assert!(limits.count(1, [Some(u64::MAX); 5], SystemTime::now()));
        let record = RestartRecord {
            attempts: 3,
            restarts: 7,
            begun: Some(4711),
            held: Duration::from_millis(3003),
            end: End::App,
            next: Next::Retry,
            is_restart: true,
            has_served: true,
            debt: Duration::from_millis(12345),
            cause: "x".repeat(500),
            unsaved: "y".repeat(500),
            limits,
        };
        store.write(&record).unwrap();
        let read = store.read();
        assert_eq!((read.cause.len(), read.unsaved.len()), (400, 400));
        let texts = RestartRecord {
            cause: record.cause.clone(),
            unsaved: record.unsaved.clone(),
            ..read
        };
        assert_eq!(texts, record);
        let short = |record: &mut RestartRecord| {
            record.cause = "/app dead (ENOTCONN)".into();
            record.unsaved = "/app\n/data".into();
        };
        store.update(short).unwrap();
        let read = store.read();
        assert_eq!(
            (&*read.cause, &*read.unsaved),
            ("/app dead (ENOTCONN)", "/app\n/data")
        );
    }
}
