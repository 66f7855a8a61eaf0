//! What a vassal remembers from one start to the next: kept in a memfd in systemd's FD store, so it lives exactly as
//! long as systemd keeps trying (a restart keeps the store, `systemctl stop` empties it) and needs no file anywhere.

use crate::error::{Step, SysError};
use crate::text::shortened;
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// The name in the FD store (`FDNAME=`).
pub const NAME: &str = "vassal-memo";
/// How much of the reason of the last restart is kept, in bytes.
const CAUSE_LIMIT: usize = 200;
const HEADER: usize = 8;

/// How long a vassal must have been ready for its next failure to count as a first one.
pub const SETTLED: Duration = Duration::from_secs(10);
/// The longest pause between two attempts (EMP-12: emperor-max-throttle).
const LONGEST_PAUSE: Duration = Duration::from_secs(180);

/// The record itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memo {
    /// Attempts since the last one that settled, this one included.
    pub attempts: u32,
    /// Restarts since the vassal was started.
    pub restarts: u32,
    /// Why the last run ended.
    pub cause: String,
}

impl Memo {
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

/// The record in its memfd.
#[derive(Debug)]
pub struct Store(File);

impl Store {
    /// An empty record in a new memfd.
    ///
    /// # Errors
    /// `EMFILE`, `ENOMEM`.
    pub fn create() -> Result<Self, SysError> {
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
        let mut bytes = [0; HEADER + CAUSE_LIMIT];
        let length = self.0.read_at(&mut bytes, 0).unwrap_or(0);
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let cause = bytes.get(HEADER..length).unwrap_or_default();
        Memo {
            attempts: word(0),
            restarts: word(4),
            cause: String::from_utf8_lossy(cause).into_owned(),
        }
    }

    /// Writes the record.
    ///
    /// # Errors
    /// `ENOSPC`, `ENOMEM`.
    pub fn write(&self, memo: &Memo) -> Result<(), SysError> {
        let mut bytes = Vec::with_capacity(HEADER + CAUSE_LIMIT);
        bytes.extend_from_slice(&memo.attempts.to_le_bytes());
        bytes.extend_from_slice(&memo.restarts.to_le_bytes());
        bytes.extend_from_slice(shortened(&memo.cause, CAUSE_LIMIT).as_bytes());
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

    #[test]
    fn a_record_is_read_as_it_was_written_and_a_long_cause_is_cut() {
        let store = Store::create().unwrap();
        assert_eq!(store.read(), Memo::default());
        let memo = Memo {
            attempts: 3,
            restarts: 7,
            cause: "x".repeat(300),
        };
        store.write(&memo).unwrap();
        let read = store.read();
        assert_eq!((read.attempts, read.restarts, read.cause.len()), (3, 7, 200));
        store
            .update(|memo| memo.cause = "/app dead (ENOTCONN)".into())
            .unwrap();
        assert_eq!(store.read().cause, "/app dead (ENOTCONN)");
    }
}
