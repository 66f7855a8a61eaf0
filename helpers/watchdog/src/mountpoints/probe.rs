//! Disposable processes: each asks one question that may block for ever, and its exit code is the answer. The
//! watchdog itself never touches a filesystem that it watches (ARCHITECTURE D8).

use crate::hang::attribute;
use crate::hang::attribute::Suspicion;
use crate::hang::monitor::Scene;
use crate::processes::progress;
use crate::processes::progress::Place;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::CString;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use vassal_sys::clone::{Side, fork};
use vassal_sys::mountinfo::Mount;
use vassal_sys::statfs::statfs_as;
use vassal_sys::{SysError, mounts};
use vassal_systemd::journal::{Priority, line};

/// What a process is sent to find out.
#[derive(Debug, Clone, Copy)]
pub enum Question<'a> {
    /// Whether the filesystem at a mountpoint answers statfs(2), asked as its owner: for anyone else the kernel may
    /// answer without asking the daemon, and says that all is well (MPC-8). With `allow_other` it does not, and root asks,
    /// whom no tenant can disturb.
    Answers(&'a Mount),
    /// Whether the daemon of a FUSE connection is at work, for at most this long; the exit code is that of `progress::watch`.
    Progress(Place<'a>, u32, Duration),
    /// Whether a watched filesystem leaves requests unanswered; the exit code is that of `attribute::find`, which says more to
    /// the descriptor.
    Evidence(Scene<'a>, &'a Suspicion, Option<&'a OwnedFd>),
}

/// A process that is out to ask.
#[derive(Debug)]
pub struct Probe {
    /// Its process id.
    pub pid: Pid,
    /// When it was sent.
    pub since: Instant,
}

impl Probe {
    /// Sends a process; none when there can be none now, at the unit's limit (`TasksMax=`) or without memory, which the app may
    /// have used up: that says nothing of a filesystem.
    ///
    /// # Errors
    /// When it cannot be sent for another reason.
    pub fn send(question: Question<'_>) -> Result<Option<Self>, SysError> {
        Self::sent(|| start(question))
    }

    /// The same with any other question; the exit code is the errno of the answer, or 0.
    ///
    /// # Errors
    /// As [`Probe::send`].
    pub fn ask(question: impl FnOnce() -> Result<(), Errno>) -> Result<Option<Self>, SysError> {
        let code = || question().err().map_or(0, |errno| errno as i32);
        Self::sent(|| ask_in_child(code))
    }

    fn sent(start: impl FnOnce() -> Result<Pid, SysError>) -> Result<Option<Self>, SysError> {
        let since = Instant::now();
        match start() {
            Ok(pid) => Ok(Some(Self { pid, since })),
            Err(error) if matches!(error.errno, Errno::EAGAIN | Errno::ENOMEM) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ends it.
    pub fn end(&self) {
        match kill(self.pid, Signal::SIGKILL) {
            // It may have ended by itself right now; it is reaped with all others.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => line(
                Priority::Warning,
                &format!("cannot signal a process: {}", errno.desc()),
            ),
        }
    }

    /// Its state as proc tells it (`S`, `D`, `R`, `T`, ...); `None` when it has ended.
    pub fn state(&self, proc: &OwnedFd) -> Option<u8> {
        let mut text = String::new();
        mounts::open_below(proc, &format!("{}/stat", self.pid))
            .ok()?
            .read_to_string(&mut text)
            .ok()?;
        // The state follows the name, which is in parentheses and may hold any character (proc_pid_stat(5)).
        text.rsplit_once(") ")?.1.bytes().next()
    }
}

fn start(question: Question<'_>) -> Result<Pid, SysError> {
    match question {
        Question::Answers(mount) => {
            // What mountinfo names has no zero byte in it.
            let path = CString::new(mount.mountpoint.as_slice()).unwrap_or_default();
            statfs_as(mount.owner, &path, mount.id)
        }
        Question::Progress(place, connection, limit) => {
            ask_in_child(|| progress::watch(place, connection, limit))
        }
        Question::Evidence(scene, suspicion, say) => ask_in_child(|| attribute::find(scene, suspicion, say)),
    }
}

fn ask_in_child(question: impl FnOnce() -> i32) -> Result<Pid, SysError> {
    match fork()? {
        Side::Parent(pid) => Ok(pid),
        Side::Child => std::process::exit(question()),
    }
}
