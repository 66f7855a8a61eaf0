//! Asking a program of the host's (systemctl, journalctl): with a limit, as PID 1 or a disk may be busy.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;
use std::io::{Error, ErrorKind, Read, Result};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use vassal_sys::clone::pidfd;

/// How long systemctl may take: PID 1 may be in the midst of a daemon-reload of thousands of units.
pub const SYSTEMCTL_LIMIT: Duration = Duration::from_secs(15);
/// How long one that was killed may take to go: one that waits for a disk that hangs goes when that answers.
const KILL_LIMIT: Duration = Duration::from_secs(1);
const SYSTEMCTL: &str = "/usr/bin/systemctl";
/// The most that is read of an answer.
const ANSWER_LIMIT: usize = 256 * 1024;

/// What `systemctl` says to these arguments.
///
/// # Errors
/// When it fails; it has then said why itself.
pub fn systemctl(arguments: &[&str]) -> Result<Vec<u8>> {
    query(SYSTEMCTL, arguments, SYSTEMCTL_LIMIT)
}

/// What `program` writes to its standard output, when it ends well within `limit`; its errors go to the journal. It is root's
/// and gets no environment.
///
/// # Errors
/// `NotFound`; `TimedOut`, and then it is killed; `Other` when it fails.
pub fn query(program: &str, arguments: &[&str], limit: Duration) -> Result<Vec<u8>> {
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let end = Instant::now() + limit;
    let over = pidfd(Pid::from_raw(child.id() as i32)).map_err(Error::other)?;
    let answer = listen(&mut child, end).and_then(|answer| wait_for(over.as_fd(), end).map(|()| answer));
    if answer.is_err() {
        child.kill()?;
        wait_for(over.as_fd(), Instant::now() + KILL_LIMIT)?;
    }
    let ended = child.wait()?;
    match answer? {
        answer if ended.success() => Ok(answer),
        _ => Err(Error::other(format!("{program}: {ended}"))),
    }
}

/// Waits until `fd` can be read, at most until `end`.
fn wait_for(fd: BorrowedFd<'_>, end: Instant) -> Result<()> {
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], timeout) {
            Ok(0) => return Err(ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Reads until the end of the answer, at most until `end`.
fn listen(child: &mut Child, end: Instant) -> Result<Vec<u8>> {
    let Some(mut output) = child.stdout.take() else {
        return Ok(Vec::new());
    };
    let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        wait_for(output.as_fd(), end)?;
        match output.read(&mut chunk)? {
            0 => return Ok(answer),
            length if answer.len() + length <= ANSWER_LIMIT => answer.extend_from_slice(&chunk[..length]),
            _ => return Err(ErrorKind::FileTooLarge.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_or_none_and_nobody_is_waited_for_longer_than_the_limit() {
        let ask = |script: &str| query("/bin/sh", &["-c", script], Duration::from_millis(300));
        assert_eq!(ask("echo here; echo not here >&2").unwrap(), b"here\n");
        assert!(ask("echo here; exit 1").is_err());
        let begun = Instant::now();
        assert_eq!(
            ask("echo here; exec sleep 60").unwrap_err().kind(),
            ErrorKind::TimedOut
        );
        assert_eq!(ask("exec yes").unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert!(begun.elapsed() < Duration::from_secs(30));
        assert_eq!(
            query("/absent", &[], SYSTEMCTL_LIMIT).unwrap_err().kind(),
            ErrorKind::NotFound
        );
        assert_eq!(ask("echo ${HOME-none}").unwrap(), b"none\n");
    }
}
