//! Ends the pause before the next attempt early when a watched mount of the host's that was lost is back: else a vassal would wait
//! up to three minutes with everything in order. A mount is back when it is mounted on the host and answers, and was missing, dead or
//! hung before; a vassal that fails with all its mounts in order waits the whole pause. The table of mounts is read only when it has
//! changed, at most twice a second.

use crate::mountpoints;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};
use vassal_sys::clone::pidfd;
use vassal_sys::error::Context;
use vassal_sys::mountinfo::Mount;
use vassal_sys::proc::Proc;
use vassal_sys::statfs::statfs_as;
use vassal_sys::{SysError, mounts};

/// From one look at the table to the next, however often it changes; and the least that is left of a pause. An answer that
/// takes as long comes from a filesystem that did not answer.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// A process that asks whether a filesystem answers.
#[derive(Debug)]
struct Question {
    pid: Pid,
    end: OwnedFd,
    mount: Mount,
    since: Instant,
}

/// What a part of the pause has brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing yet.
    Nothing,
    /// Something to be read from the descriptor that was given.
    Stop,
    /// The mountpoint is back.
    Back,
}

/// Waits for `left` at most, for something to read from `stop`, and for the return of a mountpoint.
///
/// # Errors
/// When the kernel cannot; when the mountpoint cannot be asked.
pub fn wait(
    returned: Option<&mut Returned>,
    stop: BorrowedFd<'_>,
    left: Duration,
) -> Result<Heard, SysError> {
    let due = returned
        .as_ref()
        .and_then(|returned| returned.is_changed.then_some(returned.next_look));
    let left = due.map_or(left, |due| {
        left.min(due.saturating_duration_since(Instant::now()))
    });
    let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
    let mut fds = vec![PollFd::new(stop, PollFlags::POLLIN)];
    let question = returned.as_ref().and_then(|returned| returned.question.as_ref());
    fds.extend(question.map(|question| PollFd::new(question.end.as_fd(), PollFlags::POLLIN)));
    // A table that is to be looked at may change as often as it likes.
    let table = returned.as_ref().filter(|returned| !returned.is_changed);
    let is_table_last = table.is_some();
    fds.extend(table.map(|returned| PollFd::new(returned.mountinfo.as_fd(), PollFlags::POLLPRI)));
    match poll(&mut fds, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(SysError::new("wait", errno)),
    }
    let has_news = |fd: Option<&PollFd<'_>>| fd.and_then(PollFd::any) == Some(true);
    let (is_stopped, has_changed) = (has_news(fds.first()), is_table_last && has_news(fds.last()));
    match returned {
        _ if is_stopped => Ok(Heard::Stop),
        Some(returned) => returned.look(has_changed),
        None => Ok(Heard::Nothing),
    }
}

/// The watch for the return of one mountpoint.
#[derive(Debug)]
pub struct Returned {
    path: Vec<u8>,
    proc: Proc,
    mountinfo: File,
    /// The mount that answered at the first look: it was never lost, so it does not count as returned.
    known: Option<Mount>,
    question: Option<Question>,
    /// Whether it was lost is not known: a mount that answers at the first look does not count as returned.
    is_doubted: bool,
    /// The table may have changed.
    is_changed: bool,
    next_look: Instant,
}

impl Returned {
    /// The watch for the mountpoint that `cause`, the end of the last attempt, names; `None` when it names none. The
    /// file is not read for it: that is done after the pause, by the attempt.
    ///
    /// # Errors
    /// When proc does not answer.
    pub fn of(cause: &str) -> Result<Option<Self>, SysError> {
        let Some((path, loss)) = loss(cause) else {
            return Ok(None);
        };
        let was_missing = loss == Loss::Missing;
        let mountinfo = "/proc/self/mountinfo";
        let now = Instant::now();
        Ok(Some(Self {
            path: path.as_bytes().to_vec(),
            proc: Proc::mounted()?,
            mountinfo: File::open(mountinfo).context(|| format!("open '{mountinfo}'"))?,
            known: None,
            question: None,
            is_doubted: !was_missing,
            is_changed: true,
            next_look: if was_missing { now + LOOK_AGAIN } else { now },
        }))
    }

    /// Something may have happened, to the table of mounts perhaps.
    fn look(&mut self, has_changed: bool) -> Result<Heard, SysError> {
        self.is_changed |= has_changed;
        if self.answer() == Some(0) {
            return Ok(Heard::Back);
        }
        if self.is_changed && Instant::now() >= self.next_look {
            self.is_changed = false;
            self.next_look = Instant::now() + LOOK_AGAIN;
            self.ask()?;
        }
        Ok(Heard::Nothing)
    }

    /// Asks the mount that is there now, unless it is being asked or is known.
    fn ask(&mut self) -> Result<(), SysError> {
        let now = self.mount();
        if now.is_none() {
            self.known = None;
            self.is_doubted = false;
        }
        let now = now.filter(|mount| self.known.as_ref() != Some(mount));
        if self.question.as_ref().map(|question| &question.mount) == now.as_ref() {
            return Ok(());
        }
        self.end_question();
        let Some(mount) = now else { return Ok(()) };
        let path = CString::new(mount.mountpoint.as_slice()).unwrap_or_default();
        let pid = match statfs_as(mount.owner, &path, mount.id) {
            Ok(pid) => pid,
            // At a limit of processes it is asked later.
            Err(error) if matches!(error.errno, Errno::EAGAIN | Errno::ENOMEM) => {
                self.is_changed = true;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let end = pidfd(pid)?;
        let since = Instant::now();
        self.question = Some(Question {
            pid,
            end,
            mount,
            since,
        });
        Ok(())
    }

    /// The errno that the process has got which asks, if it has ended by itself.
    fn answer(&mut self) -> Option<i32> {
        let question = self.question.as_ref()?;
        let ended = waitpid(question.pid, Some(WaitPidFlag::WNOHANG));
        if ended == Ok(WaitStatus::StillAlive) {
            return None;
        }
        let question = self.question.take()?;
        let Ok(WaitStatus::Exited(_, code)) = ended else {
            return None;
        };
        let is_news = !(self.is_doubted && question.since.elapsed() < LOOK_AGAIN);
        self.is_doubted = false;
        if !is_news && code == 0 {
            self.known = Some(question.mount);
        }
        is_news.then_some(code)
    }

    /// The answer is not needed any more: kills the process that asks, which may wait for its filesystem.
    fn end_question(&mut self) {
        if let Some(Question { pid, .. }) = self.question.take() {
            match kill(pid, Signal::SIGKILL).and_then(|()| waitpid(pid, Some(WaitPidFlag::WNOHANG))) {
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// The mount that is there now, on the host.
    fn mount(&self) -> Option<Mount> {
        let path = Path::new(OsStr::from_bytes(&self.path));
        let place = mounts::place(&self.proc, path).ok()?;
        mountpoints::mount_at(&place, &self.proc).ok()?
    }
}

impl Drop for Returned {
    fn drop(&mut self) {
        self.end_question();
    }
}

/// How a mountpoint was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// There was none at the start.
    Missing,
    /// vassal-watchdog has judged it.
    Judged,
}

/// The mountpoint that `cause` says is lost, in the words of vassal-watchdog or of a start, which begin it: what an app or a hook
/// has said stands further behind. A path that is not shown as it is has no part in this.
fn loss(cause: &str) -> Option<(&str, Loss)> {
    const VERDICTS: [&str; 5] = [" dead (", " hung (", " gone (", " replaced (", " disturbed ("];
    let path = |path: &'_ str| path.starts_with('/') && !path.contains('\\');
    let judged = VERDICTS.iter().find_map(|word| Some(cause.split_once(word)?.0));
    if let Some(judged) = judged.filter(|judged| path(judged) && !judged.contains(": ")) {
        return Some((judged, Loss::Judged));
    }
    let (place, said) = cause.split_once(": mountpoint-check: ")?;
    let (missing, _) = said.strip_prefix('\'')?.split_once('\'')?;
    let is_place = !place.contains(' ') && place.contains(".ini:");
    (is_place && path(missing)).then_some((missing, Loss::Missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_of_a_mountpoint_is_known_by_what_was_told_of_it() {
        const CASES: &[(&str, Option<(&str, Loss)>)] = &[
            ("/hz dead (ENOTCONN)", Some(("/hz", Loss::Judged))),
            (
                "/a b hung (no answer within the deadline)",
                Some(("/a b", Loss::Judged)),
            ),
            ("/hz gone (unmounted)", Some(("/hz", Loss::Judged))),
            (
                "u.ini:3: mountpoint-check: '/hz' is not a mountpoint (no hook ...",
                Some(("/hz", Loss::Missing)),
            ),
            (
                "u.ini:3: mountpoint-check: '/hz' cannot be looked at (the journal says why)",
                Some(("/hz", Loss::Missing)),
            ),
            ("/hz exited with 1 before it served", None),
            (
                "uwsgi exited with 1; the app's last words: u.ini:3: mountpoint-check: '/hz' is not a mountpoint",
                None,
            ),
            ("u.ini:6: as-user hook 'x': /hz dead (ENOTCONN)", None),
            ("/a\\x20b dead (ENOTCONN)", None),
            ("u.ini:6: as-root hook '/hz': exited with 1", None),
            ("", None),
        ];
        for (cause, expected) in CASES {
            assert_eq!(loss(cause), *expected, "{cause}");
        }
    }
}
