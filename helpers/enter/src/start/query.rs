//! Runs a program of the host's (systemctl, journalctl) and reads its output, with a time limit because PID 1 or a disk
//! may be busy.

use nix::poll::{PollFd, PollFlags};
use nix::unistd::Pid;
use std::io::{Error, ErrorKind, Read, Result};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use vassal_sys::clone::pidfd;
use vassal_sys::deadline::Deadline;

/// The limit for systemctl: PID 1 may be in the midst of a daemon-reload of thousands of units.
pub const SYSTEMCTL_LIMIT: Duration = Duration::from_secs(15);
/// How long a killed program may take to end. One that waits for a hung disk ends when the disk answers.
const KILL_LIMIT: Duration = Duration::from_secs(1);
const SYSTEMCTL: &str = "/usr/bin/systemctl";
/// The most that is read of the output.
const ANSWER_LIMIT: usize = 256 * 1024;

/// The output of `systemctl` with these arguments.
///
/// # Errors
/// When it fails; it has printed the reason itself.
pub fn systemctl(arguments: &[&str]) -> Result<Vec<u8>> {
    query(SYSTEMCTL, arguments, SYSTEMCTL_LIMIT)
}

/// The standard output of `program`, if it succeeds within `limit`. Its errors go to the journal. It runs as root with
/// an empty environment.
///
/// # Errors
/// `NotFound`; `TimedOut` after it was killed; `Other` when it fails.
pub fn query(program: &str, arguments: &[&str], limit: Duration) -> Result<Vec<u8>> {
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let deadline = Deadline::after(limit);
    let over = pidfd(Pid::from_raw(child.id() as i32)).map_err(Error::other)?;
    let answer =
        listen(&mut child, deadline).and_then(|answer| wait_for(over.as_fd(), deadline).map(|()| answer));
    if answer.is_err() {
        child.kill()?;
        wait_for(over.as_fd(), Deadline::after(KILL_LIMIT))?;
    }
    let ended = child.wait()?;
    match answer? {
        answer if ended.success() => Ok(answer),
        _ => Err(Error::other(format!("{program}: {ended}"))),
    }
}

/// Waits until `fd` is readable, at most until `deadline`.
fn wait_for(fd: BorrowedFd<'_>, deadline: Deadline) -> Result<()> {
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    while !deadline.poll(&mut fds, deadline.left())? {
        if deadline.is_over() {
            return Err(ErrorKind::TimedOut.into());
        }
    }
    Ok(())
}

/// Reads the output to its end, at most until `deadline`.
fn listen(child: &mut Child, deadline: Deadline) -> Result<Vec<u8>> {
    let Some(mut output) = child.stdout.take() else {
        return Ok(Vec::new());
    };
    let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        wait_for(output.as_fd(), deadline)?;
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
    use std::time::Instant;

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
