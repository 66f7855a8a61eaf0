//! Ends a pause early when a watched mount of the host's returns; otherwise a vassal could wait three minutes although
//! nothing is wrong any more. A mount has returned if it is mounted on the host and answers, and was missing, dead or
//! hung before. A vassal that fails for another reason waits for the whole pause. The table of mounts is read only
//! after a change, at most twice a second.

use crate::mountpoints;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
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
use vassal_sys::deadline::Deadline;
use vassal_sys::error::Context;
use vassal_sys::mountinfo::Mount;
use vassal_sys::proc::Proc;
use vassal_sys::reach::{self, Last};
use vassal_sys::statfs::statfs_as;
use vassal_sys::{SysError, mounts};

/// The shortest time between two reads of the table, however often it changes, and the shortest rest of a pause that is
/// worth ending early. An answer that takes longer counts as none.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// A process that asks a filesystem whether it answers.
#[derive(Debug)]
struct Question {
    pid: Pid,
    end: OwnedFd,
    mount: Mount,
    since: Instant,
}

/// The result of waiting.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing yet.
    Nothing,
    /// The given descriptor is readable.
    Stop,
    /// The mountpoint has returned.
    Back,
}

/// Waits for at most `left` until `stop` is readable or a mountpoint has returned.
///
/// # Errors
/// When waiting fails, or no process can be sent to the mountpoint.
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
    let mut fds = vec![PollFd::new(stop, PollFlags::POLLIN)];
    let question = returned.as_ref().and_then(|returned| returned.question.as_ref());
    fds.extend(question.map(|question| PollFd::new(question.end.as_fd(), PollFlags::POLLIN)));
    // If a read of the table is due anyway, further changes need not wake this process.
    let table = returned.as_ref().filter(|returned| !returned.is_changed);
    let is_table_last = table.is_some();
    fds.extend(table.map(|returned| PollFd::new(returned.mountinfo.as_fd(), PollFlags::POLLPRI)));
    Deadline::after(left).poll(&mut fds, left).context(|| "wait")?;
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
    /// The mount that answered at the first check. It was never lost, so it has not returned either.
    known: Option<Mount>,
    question: Option<Question>,
    /// Whether the loss is uncertain: then a mount that answers at the first check does not count as returned.
    is_doubted: bool,
    /// Whether the table may have changed since it was read.
    is_changed: bool,
    next_look: Instant,
}

impl Returned {
    /// Watches for the mountpoint that `cause`, the end of the last attempt, names; `None` if it names none. The
    /// vassal's file is not read for this: the next attempt does that.
    ///
    /// # Errors
    /// When proc cannot be read.
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

    /// Checks the mountpoint; `has_changed` says whether the table of mounts may have changed.
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

    /// Asks the present mount, unless that is already being asked or is known.
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
            // At a limit of processes it is tried again later.
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

    /// The result of the process that asks, as an errno, if it has ended by itself.
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

    /// Kills the process that asks, which may wait for its filesystem; its answer is not needed any more.
    fn end_question(&mut self) {
        if let Some(Question { pid, .. }) = self.question.take() {
            match kill(pid, Signal::SIGKILL).and_then(|()| waitpid(pid, Some(WaitPidFlag::WNOHANG))) {
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// The present mount on the host. A link of a tenant's is not followed: root would ask what is behind it, and end the
    /// pause for it.
    fn mount(&self) -> Option<Mount> {
        let path = Path::new(OsStr::from_bytes(&self.path));
        let place = reach::place(path, Last::Followed).ok()?;
        let place = mounts::spot(&self.proc, place.object().ok()?).ok()?;
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
    /// It was missing at the start.
    Missing,
    /// vassal-watchdog has found it lost.
    Judged,
}

/// Parses the mountpoint that `cause` says is lost. Only the beginning of `cause` counts, which consists of vassal's
/// own words; words of an app or a hook come later. A path that had to be escaped does not match.
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
