//! The FUSE control filesystem, /sys/fs/fuse/connections. All containers of a machine see the same directory, so a
//! process that writes there has to make sure that the number is that of its own connection ([`Abort`]).

use crate::error::{Context, SysError};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::unistd::{read, write};
use std::ffi::CStr;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

/// Opens the directory, so that it can be reached after pivot_root; `None` where fusectl is not mounted.
pub fn connections() -> Option<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open("/sys/fs/fuse/connections", flags, Mode::empty()).ok()
}

/// How many requests of the connection `number` ([`Mount::connection`](super::mountinfo::Mount::connection)) are
/// unanswered, whether or not the daemon has read them. Only the kernel is asked. The file is opened each time, because
/// it cannot be read twice.
///
/// # Errors
/// `ENOENT` when the connection is gone; `EIO` for content that is not a number.
pub fn waiting(connections: impl AsFd, number: u32) -> Result<u32, SysError> {
    let step = || format!("look at FUSE connection {number}");
    // On the stack: the allocator's memory is not in the processor's caches when a watchdog wakes up.
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

/// The file by which a connection is aborted.
#[derive(Debug)]
pub struct Abort {
    file: OwnedFd,
    number: u32,
}

impl Abort {
    /// Opens the file of the connection `number`, without aborting it. The open file stays that of this connection:
    /// when it is gone and its number is reused, a write does not affect the new connection (measured). So a process
    /// that opens the file first, and afterwards sees in mountinfo that the number belongs to its own mount, aborts the
    /// right one.
    ///
    /// # Errors
    /// `ENOENT` when the connection is gone, `EROFS` where /sys is read-only, `EACCES` for other users than root.
    pub fn open(connections: impl AsFd, number: u32) -> Result<Self, SysError> {
        let path = format!("{number}/abort");
        let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let file = openat(connections, path.as_str(), flags, Mode::empty());
        let file = file.context(|| format!("abort FUSE connection {number}"))?;
        Ok(Self { file, number })
    }

    /// Aborts the connection: every process that waits for the daemon gets ECONNABORTED at once, and the daemon cannot
    /// answer any more.
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
