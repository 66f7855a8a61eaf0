//! Processes that may be lost: each does one thing that may block for ever, and its exit code is the answer. The watchdog itself
//! never touches a filesystem that it watches (ARCHITECTURE D8).

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::Instant;
use vassal_sys::SysError;
use vassal_sys::clone::{Side, fork_apart};
use vassal_sys::proc::Proc;
use vassal_systemd::journal::{Priority, log};

/// A process that has been sent and has not been reaped.
#[derive(Debug)]
pub struct Probe {
    /// Its process id.
    pub pid: Pid,
    /// When it was sent.
    pub since: Instant,
}

/// A probe that is sent again and again.
#[derive(Debug)]
pub enum Attempt {
    /// One is under way.
    Running(Probe),
    /// The next one is to be sent at this time.
    Due(Instant),
}

impl Attempt {
    /// What has become of a probe that was to be sent: it runs, or is due again at `again`, as there can be no process now.
    pub fn of(sent: Option<Probe>, again: Instant) -> Self {
        sent.map_or(Attempt::Due(again), Attempt::Running)
    }

    /// The probe that is under way.
    pub fn running(&self) -> Option<&Probe> {
        match self {
            Attempt::Running(probe) => Some(probe),
            Attempt::Due(_) => None,
        }
    }

    /// When the next one is to be sent, if none is under way.
    pub fn due(&self) -> Option<Instant> {
        match self {
            Attempt::Running(_) => None,
            Attempt::Due(due) => Some(*due),
        }
    }

    /// Whether process `pid` is the probe that is under way.
    pub fn is_by(&self, pid: Pid) -> bool {
        self.running().is_some_and(|probe| probe.pid == pid)
    }
}

impl Probe {
    /// Sends the process that `start` starts; none when there can be none now, at the unit's limit (`TasksMax=`) or without memory,
    /// which the app may have used up: that is no evidence against a filesystem.
    ///
    /// # Errors
    /// When it cannot be sent for another reason.
    pub fn send(start: impl FnOnce() -> Result<Pid, SysError>) -> Result<Option<Self>, SysError> {
        let since = Instant::now();
        match start() {
            Ok(pid) => Ok(Some(Self { pid, since })),
            Err(error) if matches!(error.errno, Errno::EAGAIN | Errno::ENOMEM) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a copy of this process that does `work` and exits with the code which that returns.
    ///
    /// # Errors
    /// As [`Probe::send`].
    pub fn run(work: impl FnOnce() -> i32) -> Result<Option<Self>, SysError> {
        Self::send(|| match fork_apart()? {
            Side::Parent(pid) => Ok(pid),
            Side::Child => std::process::exit(work()),
        })
    }

    /// Kills it.
    pub fn end(&self) {
        match kill(self.pid, Signal::SIGKILL) {
            // It may have ended by itself right now; it is reaped with all others.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => log(
                Priority::Warning,
                &format!("cannot signal a process: {}", errno.desc()),
            ),
        }
    }

    /// Its state as proc tells it (`S`, `D`, `R`, `T`, ...); `None` when it has ended.
    pub fn state(&self, proc: &Proc) -> Option<u8> {
        proc.stat(self.pid).map(|stat| stat.state)
    }
}
