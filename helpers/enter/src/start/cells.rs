//! What starts leave for each other in a file of numbers: when each place was taken, when the last one was, and the last number in the
//! line. A cell that is not there, or cannot be read, is 0. The line's locks are on the same file.

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vassal_sys::SysError;
use vassal_sys::error::Context;

const NAME: &str = ".starts";
/// How many starts may have a place, those that have had it for too long included.
pub(super) const MOST_PLACES: u16 = 4096;
/// So many starts are a million a second for a fortnight.
const MOST_NUMBERS: u64 = 1 << 40;
/// The cell before those of the places.
const LAST_TAKEN: u16 = 0;
/// The cell after those of the places.
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

    /// When the place was taken, since the boot.
    pub(super) fn taken(&self, place: u16) -> Duration {
        Duration::from_millis(self.read(place))
    }

    /// When the last place was taken, since the boot.
    pub(super) fn last_taken(&self) -> Duration {
        Duration::from_millis(self.read(LAST_TAKEN))
    }

    /// The place is taken at the time `now` since the boot.
    pub(super) fn set_taken(&self, place: u16, now: Duration) -> Result<(), SysError> {
        let now = now.as_millis() as u64;
        self.write(place, now)?;
        self.write(LAST_TAKEN, now)
    }

    /// The last number in the line that was taken. One that no machine gets to is not a number.
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
