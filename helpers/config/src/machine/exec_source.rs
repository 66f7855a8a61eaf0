//! Reads from sources that may never end: commands, pipes, descriptors. Every read has a limit in bytes and in time.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::machine::world::ReadError;

/// Extra room in a buffer: if it were filled exactly, std would need another small read to find the end.
const ROOM_FOR_THE_END: u64 = 32;

/// Reads up to the end; fails if there are more than `limit` bytes.
///
/// # Errors
/// [`ReadError::TooLarge`], or any error of the system.
pub(crate) fn read_at_most(source: impl Read, limit: usize) -> Result<Vec<u8>, ReadError> {
    read_expecting(0, source, limit)
}

/// As [`read_at_most`], for a source that is probably `length` bytes long: it is read at once, without growing the
/// buffer.
///
/// # Errors
/// As [`read_at_most`].
pub(crate) fn read_expecting(length: u64, source: impl Read, limit: usize) -> Result<Vec<u8>, ReadError> {
    let one_more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let room = length.saturating_add(ROOM_FOR_THE_END).min(one_more);
    let mut text = Vec::with_capacity(usize::try_from(room).unwrap_or(limit));
    source
        .take(one_more)
        .read_to_end(&mut text)
        .map_err(|error| ReadError::from_io(&error))?;
    if text.len() > limit {
        Err(ReadError::TooLarge { limit })
    } else {
        Ok(text)
    }
}

/// Reads `source`, which may be a pipe, up to its end.
///
/// # Errors
/// When it gives too much or takes too long.
pub(crate) fn read_in_time(source: File, limit: usize, time: Duration) -> Result<Vec<u8>, ReadError> {
    let mut cat = Command::new("/bin/cat");
    cat.env_clear().stdin(source);
    output_in_time(cat, limit, time)
}

/// The standard output of `/bin/sh -c command`, whatever its exit status (S8). The command has no standard input.
///
/// # Errors
/// When the shell cannot be started, or writes too much or takes too long; then it is killed.
pub(crate) fn run(
    command: &[u8],
    environment: &[(Vec<u8>, Vec<u8>)],
    cwd: &Path,
    limit: usize,
    time: Duration,
) -> Result<Vec<u8>, ReadError> {
    let variables = environment
        .iter()
        .map(|(name, value)| (OsStr::from_bytes(name), OsStr::from_bytes(value)));
    let mut shell = Command::new("/bin/sh");
    shell
        .arg("-c")
        .arg(OsStr::from_bytes(command))
        .env_clear()
        .envs(variables)
        .current_dir(cwd);
    shell.stdin(Stdio::null());
    output_in_time(shell, limit, time)
}

/// Runs `command` and reads its output from a socket, the only descriptor for which std has a read timeout. A thread
/// for it is not possible: this program is going to clone itself, and must have no other threads.
fn output_in_time(mut command: Command, limit: usize, time: Duration) -> Result<Vec<u8>, ReadError> {
    let failed = |error: io::Error| ReadError::from_io(&error);
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    command.stdout(OwnedFd::from(theirs));
    let mut child = command.spawn().map_err(failed)?;
    // The value `command` holds the child's end of the socket open.
    drop(command);
    let text = read_at_most(
        Timed {
            source: ours,
            end: Instant::now() + time,
        },
        limit,
    );
    if text.is_err() {
        // If it has ended meanwhile, there is nothing to kill.
        drop(child.kill());
    }
    child.wait().map_err(failed)?;
    text.map_err(|error| {
        if error == ReadError::from_io(&too_slow()) {
            ReadError::TooSlow { limit: time }
        } else {
            error
        }
    })
}

/// A socket that is read until a fixed time.
struct Timed {
    source: UnixStream,
    end: Instant,
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(too_slow());
        }
        self.source.set_read_timeout(Some(left))?;
        match self.source.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(too_slow()),
            read => read,
        }
    }
}

/// ETIMEDOUT as a system error, which distinguishes it from errors of reading.
fn too_slow() -> io::Error {
    const ETIMEDOUT: i32 = 110;
    io::Error::from_raw_os_error(ETIMEDOUT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(command: &str, limit: usize, time: Duration) -> Result<Vec<u8>, ReadError> {
        let environment = [(b"A".to_vec(), b"b".to_vec())];
        run(command.as_bytes(), &environment, Path::new("/"), limit, time)
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_command_gives_its_output_whatever_its_status() {
        assert_eq!(
            shell("pwd; echo $A; cat; exit 3", 100, LONG),
            Ok(b"/\nb\n".to_vec())
        );
    }

    #[test]
    fn a_command_that_writes_too_much_is_killed() {
        assert_eq!(
            shell("cat /dev/zero", 1000, LONG),
            Err(ReadError::TooLarge { limit: 1000 })
        );
    }

    #[test]
    fn a_command_that_does_not_end_is_killed() {
        let time = Duration::from_millis(50);
        assert_eq!(
            shell("exec sleep 1000", 1000, time),
            Err(ReadError::TooSlow { limit: time })
        );
    }
}
