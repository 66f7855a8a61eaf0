//! A place among the vassals that may start at the same time: a locked byte of a FIFO. vassal-enter locks it through an
//! open file that it hands over to the watchdog. The kernel releases the lock when the last process that has the open
//! file ends, for whatever reason. A process that releases it in order also writes a byte into the FIFO, which wakes
//! the next start; otherwise the next start finds out when it looks again, which is soon.

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::unistd::{mkfifo, read, write};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use vassal_sys::SysError;
use vassal_sys::byte_locks::unlock_all;
use vassal_sys::error::Context;

const NAME: &str = ".start-places";
const OWNERS: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR);

/// Opens the FIFO in `directory`, which is made if necessary.
///
/// # Errors
/// As mkfifo(3), open(2); `ENOTSUP` when there is something else than a FIFO.
pub fn open_places(directory: &Path) -> Result<File, SysError> {
    let path = directory.join(NAME);
    let step = || format!("open '{}'", path.display());
    match mkfifo(&path, OWNERS) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(SysError::new(step(), errno)),
    }
    // A FIFO opened for reading and writing does not wait for another process to open it (fifo(7)).
    let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let fifo: OwnedFd = open(&path, flags, Mode::empty()).context(step)?;
    let kind = SFlag::from_bits_truncate(fstat(&fifo).context(step)?.st_mode) & SFlag::S_IFMT;
    match kind == SFlag::S_IFIFO {
        true => Ok(File::from(fifo)),
        false => Err(SysError::new(step(), Errno::ENOTSUP).meaning(Some("it is no FIFO"))),
    }
}

/// Releases the place, and wakes the next start.
///
/// # Errors
/// As fcntl(2), write(2).
pub fn leave(place: &File) -> Result<(), SysError> {
    unlock_all(place)?;
    match write(place, b".") {
        // A full FIFO has enough bytes to wake the next start.
        Ok(_) | Err(Errno::EAGAIN) => Ok(()),
        Err(errno) => Err(SysError::new("wake the next start", errno)),
    }
}

/// Reads the bytes that wake out of the FIFO.
pub fn drain(places: &File) {
    let mut bytes = [0; 512];
    while read(places, &mut bytes) == Ok(bytes.len()) {}
}
