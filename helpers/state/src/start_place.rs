//! A place among the vassals that start at this moment: a byte that is locked in a FIFO, by an open file that vassal-enter takes it with
//! and hands over to the watchdog. The lock goes with the last process that has the open file, however that ends. One that leaves in
//! order writes a byte into the FIFO, which wakes the start that is the next one; where it just ends, that one looks again soon.

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

/// Opens the FIFO in `directory`, which is made where there is none.
///
/// # Errors
/// As mkfifo(3), open(2); `ENOTSUP` when it is something else.
pub fn open_places(directory: &Path) -> Result<File, SysError> {
    let path = directory.join(NAME);
    let step = || format!("open '{}'", path.display());
    match mkfifo(&path, OWNERS) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(SysError::new(step(), errno)),
    }
    // For reading and writing it is opened without waiting for another end (fifo(7)).
    let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let fifo: OwnedFd = open(&path, flags, Mode::empty()).context(step)?;
    let kind = SFlag::from_bits_truncate(fstat(&fifo).context(step)?.st_mode) & SFlag::S_IFMT;
    match kind == SFlag::S_IFIFO {
        true => Ok(File::from(fifo)),
        false => Err(SysError::new(step(), Errno::ENOTSUP).meaning(Some("it is no FIFO"))),
    }
}

/// Leaves the place, and wakes the start that is the next one.
///
/// # Errors
/// As fcntl(2), write(2).
pub fn leave(place: &File) -> Result<(), SysError> {
    unlock_all(place)?;
    match write(place, b".") {
        // Where it is full, there is enough to wake by.
        Ok(_) | Err(Errno::EAGAIN) => Ok(()),
        Err(errno) => Err(SysError::new("wake the next start", errno)),
    }
}

/// Takes what wakes out of the FIFO.
pub fn drain(places: &File) {
    let mut bytes = [0; 512];
    while read(places, &mut bytes) == Ok(bytes.len()) {}
}
