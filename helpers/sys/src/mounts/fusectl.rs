//! The FUSE control filesystem, /sys/fs/fuse/connections. It is *one* directory for the whole machine, seen from every
//! container: a process that writes here must know that the number is that of its own connection ([`Abort`]).

use crate::error::{Context, SysError};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::unistd::{read, write};
use std::ffi::CStr;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

/// Opens the directory itself, so that it stays reachable after pivot_root; `None` where fusectl is not mounted.
pub fn connections() -> Option<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open("/sys/fs/fuse/connections", flags, Mode::empty()).ok()
}

/// How many requests of the connection `number` (`Mount::connection`) are not answered, whether its daemon has read them or not. Asks the
/// kernel alone. Opened anew each time: what is open cannot be read twice.
///
/// # Errors
/// `ENOENT` when the connection is gone; `EIO` for a text that is no number.
pub fn waiting(connections: impl AsFd, number: u32) -> Result<u32, SysError> {
    let step = || format!("look at FUSE connection {number}");
    // Not in the allocator's memory, which is cold whenever a watchdog looks.
    let mut path = [0; 32];
    write!(&mut path[..], "{number}/waiting").context(step)?;
    let path = CStr::from_bytes_until_nul(&path).unwrap_or_default();
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let file = openat(connections, path, flags, Mode::empty()).context(step)?;
    let mut text = [0; 16];
    let length = read(&file, &mut text).context(step)?;
    let text = std::str::from_utf8(&text[..length]).unwrap_or_default();
    text.trim().parse().map_err(|_| SysError::new(step(), Errno::EIO))
}

/// The file by which a connection is ended.
#[derive(Debug)]
pub struct Abort {
    file: OwnedFd,
    number: u32,
}

impl Abort {
    /// Opens that of the connection `number`, and does nothing yet. From here on it means the connection that has the number
    /// now: when that is gone, nothing is written to another one which has got its number (measured). So a process that opens it first,
    /// and then finds in mountinfo that the number is his, writes to his own.
    ///
    /// # Errors
    /// `ENOENT` when the connection is gone, `EROFS` where /sys is read-only, `EACCES` for anyone but root.
    pub fn open(connections: impl AsFd, number: u32) -> Result<Self, SysError> {
        let path = format!("{number}/abort");
        let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let file = openat(connections, path.as_str(), flags, Mode::empty());
        let file = file.context(|| format!("abort FUSE connection {number}"))?;
        Ok(Self { file, number })
    }

    /// Ends it: every process that waits for its daemon gets ECONNABORTED at once, and the daemon can never answer again.
    ///
    /// # Errors
    /// As write(2).
    pub fn end(self) -> Result<(), SysError> {
        let Self { file, number } = self;
        write(&file, b"1")
            .map(drop)
            .context(|| format!("abort FUSE connection {number}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_read_and_must_be_a_number() {
        let place = tempdir();
        for (number, text) in [("58", "3\n"), ("59", "many\n")] {
            std::fs::create_dir_all(place.join(number)).unwrap();
            std::fs::write(place.join(number).join("waiting"), text).unwrap();
        }
        let connections = open(&place, OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty()).unwrap();
        assert_eq!(waiting(&connections, 58), Ok(3));
        assert_eq!(
            waiting(&connections, 59).map_err(|error| error.errno),
            Err(Errno::EIO)
        );
        assert_eq!(
            waiting(&connections, 60).map_err(|error| error.errno),
            Err(Errno::ENOENT)
        );
        std::fs::remove_dir_all(place).unwrap();
    }

    fn tempdir() -> std::path::PathBuf {
        let place = std::env::temp_dir().join(format!("vassal-fusectl-{}", std::process::id()));
        std::fs::create_dir_all(&place).unwrap();
        place
    }
}
