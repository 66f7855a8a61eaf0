//! A file of numbers that concurrent starts share: when each place was taken, when the last place was taken, and the
//! last number in the line. A missing or unreadable cell counts as 0. The locks of the line are on the same file.

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vassal_sys::SysError;
use vassal_sys::error::Context;

const NAME: &str = ".starts";
/// The most places, including those that are held for too long.
pub(super) const MOST_PLACES: u16 = 4096;
/// An upper bound for numbers in the line: a million starts a second for a fortnight.
const MOST_NUMBERS: u64 = 1 << 40;
/// The cell with the time of the last place, before the cells of the places.
const LAST_TAKEN: u16 = 0;
/// The cell with the last number, after the cells of the places.
const LAST_NUMBER: u16 = MOST_PLACES;

pub(super) struct Cells {
    file: File,
    path: PathBuf,
}

impl Cells {
    pub(super) fn open(directory: &Path) -> Result<Self, SysError> {
        let path = directory.join(NAME);
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let opened = open(&path, flags, Mode::S_IRUSR | Mode::S_IWUSR);
        let file = opened.context(|| format!("open '{}'", path.display()))?.into();
        Ok(Self { file, path })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// When the place was taken, as time since boot.
    pub(super) fn taken(&self, place: u16) -> Duration {
        Duration::from_millis(self.read(place))
    }

    /// When the last place was taken, as time since boot.
    pub(super) fn last_taken(&self) -> Duration {
        Duration::from_millis(self.read(LAST_TAKEN))
    }

    /// Stores that the place is taken at `now`, the time since boot.
    pub(super) fn set_taken(&self, place: u16, now: Duration) -> Result<(), SysError> {
        let now = now.as_millis() as u64;
        self.write(place, now)?;
        self.write(LAST_TAKEN, now)
    }

    /// The last number that was taken in the line. An impossible one is ignored.
    pub(super) fn last_number(&self) -> u64 {
        Some(self.read(LAST_NUMBER))
            .filter(|number| *number < MOST_NUMBERS)
            .unwrap_or(0)
    }

    pub(super) fn set_last_number(&self, number: u64) -> Result<(), SysError> {
        self.write(LAST_NUMBER, number)
    }

    fn read(&self, cell: u16) -> u64 {
        let mut number = [0; size_of::<u64>()];
        match self.file.read_exact_at(&mut number, offset(cell)) {
            Ok(()) => u64::from_le_bytes(number),
            Err(_) => 0,
        }
    }

    fn write(&self, cell: u16, number: u64) -> Result<(), SysError> {
        let written = self.file.write_all_at(&number.to_le_bytes(), offset(cell));
        written.context(|| format!("write '{}'", self.path.display()))
    }
}

fn offset(cell: u16) -> u64 {
    u64::from(cell) * size_of::<u64>() as u64
}
