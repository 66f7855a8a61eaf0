//! What a vassal remembers from one start to the next: kept in systemd's FD store, so it counts exactly as long as systemd
//! keeps trying (a restart keeps the store, `systemctl stop` empties it). The file is in [`DIRECTORY`], for what is told even
//! after that: which filesystems a run that was killed has left unsaved.

use crate::error::{Step, SysError};
use crate::text::shortened;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::Mode;
use nix::unistd::{mkdir, unlink};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

/// The name in the FD store (`FDNAME=`). It changes with the record's format, as an upgraded vassal-enter finds what the one
/// before has left.
pub const NAME: &str = "vassal-memo";
/// Where the records are, one file for each vassal.
pub const DIRECTORY: &str = "/run/vassal";
/// How much of the reason of the last restart is kept, in bytes.
const CAUSE_LIMIT: usize = 200;
/// How much of the list of filesystems is kept, in bytes.
const UNSAVED_LIMIT: usize = 400;
/// Four numbers, the last of which is the length of the cause.
const HEADER: usize = 16;

/// How long a vassal must have served for its next failure to count as a first one. A restart with its app costs some
/// 90 ms of a core (measured), so that one in this time is half of a hundredth.
pub const SETTLED: Duration = Duration::from_secs(20);
/// How many runs that have proved themselves but not settled may be followed by a restart at once, before their ends
/// count as failed attempts: more than anybody kills by hand, and no more than a minute's work of a core.
const AT_ONCE: u32 = 100;
/// The longest pause between two attempts (EMP-12: emperor-max-throttle).
const LONGEST_PAUSE: Duration = Duration::from_secs(180);

/// The record itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memo {
    /// Attempts since the last one that settled, this one included.
    pub attempts: u32,
    /// Restarts since the vassal was started.
    pub restarts: u32,
    /// The service time that restarts at once have cost and that service has not paid back yet: see [`Memo::failed`].
    pub debt: Duration,
    /// Why the last run ended.
    pub cause: String,
    /// The mountpoints of filesystems that may hold what is not saved yet, one a line: still there at a start, they tell
    /// that the run before was killed.
    pub unsaved: String,
}

impl Memo {
    /// A run has failed, `served` after it was ready; `proven` is the time after which that is not the configuration's
    /// fault, and the restart comes at once.
    ///
    /// Each restart at once costs as much service as settles a run, and service pays it back; who owes a hundred of them
    /// waits longer and longer, as after any failed attempt, until a run settles. So a vassal that fails again and again
    /// is restarted at once a hundred times, and from then on no oftener than once in twenty seconds of service.
    pub fn failed(&mut self, cause: &str, served: Duration, proven: Duration) {
        self.restarts = self.restarts.saturating_add(1);
        self.cause = cause.to_owned();
        let debt = self.debt.saturating_sub(served) + SETTLED;
        if served >= proven && debt <= SETTLED * AT_ONCE {
            self.attempts = 0;
            self.debt = debt;
        } else {
            self.debt = debt - SETTLED;
        }
    }

    /// An administrator has ended the run: nothing of what was before counts, and nothing is lost.
    pub fn stopped(&mut self) {
        self.attempts = 0;
        self.debt = Duration::ZERO;
        self.unsaved.clear();
    }

    /// How long to wait before the attempt that comes after [`Memo::attempts`] failed ones: the first restart is
    /// immediate, then 1 s, doubled each time, up to three minutes; never given up (ARCHITECTURE D11).
    pub fn pause(&self) -> Duration {
        match self.attempts.checked_sub(2) {
            None => Duration::ZERO,
            Some(doublings) => {
                LONGEST_PAUSE.min(Duration::from_secs(1) * 2_u32.saturating_pow(doublings.min(16)))
            }
        }
    }
}

/// Removes the record `name` of a vassal that does not exist; one that says what is not saved stays, to be told.
///
/// # Errors
/// As open(2), unlink(2); that there is none is no error.
pub fn forget(directory: &Path, name: &str) -> Result<(), SysError> {
    let path = directory.join(name);
    let step = || format!("remove the restart record '{}'", path.display());
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let store = match open(&path, flags, Mode::empty()) {
        Err(Errno::ENOENT) => return Ok(()),
        found => Store(File::from(found.step(step)?)),
    };
    if !store.read().unsaved.is_empty() {
        return Ok(());
    }
    unlink(&path).step(step)
}

/// The record in its file.
#[derive(Debug)]
pub struct Store(File);

impl Store {
    /// The record of a first start in the file `name` of `directory`, which is made if need be and root's alone: of what is
    /// there only what has not been saved is kept.
    ///
    /// # Errors
    /// As mkdir(2), open(2); `ENOSPC`.
    pub fn create(directory: &Path, name: &str) -> Result<Self, SysError> {
        let path = directory.join(name);
        let step = || format!("make the restart record '{}'", path.display());
        match mkdir(directory, Mode::S_IRWXU) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(SysError::new(step(), errno)),
        }
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let store = Self(File::from(
            open(&path, flags, Mode::S_IRUSR | Mode::S_IWUSR).step(step)?,
        ));
        let unsaved = store.read().unsaved;
        store.write(&Memo {
            unsaved,
            ..Memo::default()
        })?;
        Ok(store)
    }

    /// An empty record in memory, which nobody finds again.
    ///
    /// # Errors
    /// `EMFILE`, `ENOMEM`.
    pub fn in_memory() -> Result<Self, SysError> {
        let fd = memfd_create(c"vassal-memo", MFdFlags::MFD_CLOEXEC).step(|| "make the restart record")?;
        Ok(Self(File::from(fd)))
    }

    /// The record of a descriptor that came out of the FD store or from the program before this one.
    pub fn inherited(fd: OwnedFd) -> Self {
        Self(File::from(fd))
    }

    /// The descriptor, for the FD store and for the next program.
    pub fn file(&self) -> &File {
        &self.0
    }

    /// Reads the record; one that cannot be read is empty.
    pub fn read(&self) -> Memo {
        let mut bytes = [0; HEADER + CAUSE_LIMIT + UNSAVED_LIMIT];
        let length = self.0.read_at(&mut bytes, 0).unwrap_or(0);
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let text = bytes.get(HEADER..length).unwrap_or_default();
        let (cause, unsaved) = text.split_at(text.len().min(word(12) as usize));
        Memo {
            attempts: word(0),
            restarts: word(4),
            debt: Duration::from_millis(word(8).into()),
            cause: String::from_utf8_lossy(cause).into_owned(),
            unsaved: String::from_utf8_lossy(unsaved).into_owned(),
        }
    }

    /// Writes the record.
    ///
    /// # Errors
    /// `ENOSPC`, `ENOMEM`.
    pub fn write(&self, memo: &Memo) -> Result<(), SysError> {
        let cause = shortened(&memo.cause, CAUSE_LIMIT);
        let debt = u32::try_from(memo.debt.as_millis()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(HEADER + CAUSE_LIMIT + UNSAVED_LIMIT);
        for word in [memo.attempts, memo.restarts, debt, cause.len() as u32] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(cause.as_bytes());
        bytes.extend_from_slice(shortened(&memo.unsaved, UNSAVED_LIMIT).as_bytes());
        let step = || "write the restart record";
        self.0.set_len(bytes.len() as u64).step(step)?;
        self.0.write_all_at(&bytes, 0).step(step)
    }

    /// Changes the record.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn update(&self, change: impl FnOnce(&mut Memo)) -> Result<(), SysError> {
        let mut memo = self.read();
        change(&mut memo);
        self.write(&memo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_restart_is_immediate_and_the_pause_ends_at_three_minutes() {
        let pause = |attempts| {
            Memo {
                attempts,
                ..Memo::default()
            }
            .pause()
            .as_secs()
        };
        assert_eq!(
            [pause(0), pause(1), pause(2), pause(3), pause(4)],
            [0, 0, 1, 2, 4]
        );
        assert_eq!([pause(9), pause(10), pause(u32::MAX)], [128, 180, 180]);
    }

    /// Runs that each serve for `served`, their restarts, and the pauses before those, of which the first are all zero.
    fn restarts_at_once(served: Duration, most: usize) -> usize {
        let mut memo = Memo::default();
        (0..most)
            .take_while(|_| {
                memo.attempts += 1;
                memo.failed("dead", served, Duration::from_secs(1));
                memo.attempts == 0
            })
            .count()
    }

    #[test]
    fn runs_that_prove_themselves_are_restarted_at_once_a_hundred_times_and_then_later_and_later() {
        let cases = [
            (Duration::from_millis(999), 0),
            // Fifty kills, two seconds apart, and fifty more.
            (Duration::from_secs(1), 105),
            (Duration::from_secs(2), 111),
            (Duration::from_secs(19), 1981),
        ];
        for (served, times) in cases {
            assert_eq!(restarts_at_once(served, 5000), times, "{served:?}");
        }
        // Each restart has been paid for.
        assert_eq!(restarts_at_once(SETTLED, 5000), 5000);
    }

    #[test]
    fn one_who_owes_too_much_waits_like_any_other_until_a_run_settles() {
        let second = Duration::from_secs(1);
        let mut memo = Memo {
            debt: SETTLED * AT_ONCE,
            ..Memo::default()
        };
        let mut pauses = Vec::new();
        for _ in 0..11 {
            pauses.push(memo.pause().as_secs());
            memo.attempts += 1;
            memo.failed("dead", second / 2, second);
        }
        assert_eq!(pauses, [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 180]);
        memo.failed("dead", SETTLED, second);
        assert_eq!((memo.attempts, memo.pause()), (0, Duration::ZERO));
        assert!(memo.debt > SETTLED * (AT_ONCE - 2), "{:?}", memo.debt);
        memo.stopped();
        assert_eq!(memo.debt, Duration::ZERO);
    }

    #[test]
    fn a_first_start_finds_what_was_not_saved_and_nothing_else() {
        let directory = std::env::temp_dir().join(format!("vassal-memo-{}", std::process::id()));
        let first = Store::create(&directory, "user001").unwrap();
        let killed = Memo {
            attempts: 3,
            restarts: 7,
            cause: "dead".into(),
            unsaved: "/app".into(),
            ..Memo::default()
        };
        first.write(&killed).unwrap();
        let found = Store::create(&directory, "user001").unwrap().read();
        std::fs::remove_dir_all(&directory).unwrap();
        let expected = Memo {
            unsaved: "/app".into(),
            ..Memo::default()
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_record_that_tells_nothing_is_forgotten() {
        let directory = std::env::temp_dir().join(format!("vassal-forget-{}", std::process::id()));
        let store = Store::create(&directory, "gone").unwrap();
        store.update(|memo| memo.unsaved = "/app".into()).unwrap();
        forget(&directory, "gone").unwrap();
        assert!(directory.join("gone").exists());
        store.update(|memo| memo.unsaved.clear()).unwrap();
        forget(&directory, "gone").unwrap();
        forget(&directory, "gone").unwrap();
        assert!(!directory.join("gone").exists());
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_long_texts_are_cut() {
        let store = Store::in_memory().unwrap();
        assert_eq!(store.read(), Memo::default());
        let memo = Memo {
            attempts: 3,
            restarts: 7,
            debt: Duration::from_millis(12345),
            cause: "x".repeat(300),
            unsaved: "y".repeat(500),
        };
        store.write(&memo).unwrap();
        let read = store.read();
        assert_eq!((read.attempts, read.restarts, read.debt), (3, 7, memo.debt));
        assert_eq!((read.cause.len(), read.unsaved.len()), (200, 400));
        let short = |memo: &mut Memo| {
            memo.cause = "/app dead (ENOTCONN)".into();
            memo.unsaved = "/app\n/data".into();
        };
        store.update(short).unwrap();
        let read = store.read();
        assert_eq!(
            (&*read.cause, &*read.unsaved),
            ("/app dead (ENOTCONN)", "/app\n/data")
        );
    }
}
