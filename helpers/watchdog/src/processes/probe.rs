//! Probes: processes that can be abandoned. Each does one thing that may block for ever, and its exit code is the
//! answer. The watchdog itself never touches a filesystem that it watches (ARCHITECTURE D8).

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::Instant;
use vassal_sys::SysError;
use vassal_sys::clone::{Side, fork_apart};
use vassal_sys::proc::Proc;
use vassal_systemd::journal::{Priority, log};

/// A probe that has not been reaped.
#[derive(Debug)]
pub struct Probe {
    /// Its process id.
    pub pid: Pid,
    /// When it was sent.
    pub since: Instant,
}

/// A probe that is sent repeatedly.
#[derive(Debug)]
pub enum Attempt {
    /// A probe is under way.
    Running(Probe),
    /// The next probe is sent at this time.
    Due(Instant),
}

impl Attempt {
    /// The state after an attempt to send a probe: it is under way or, if no process could be forked, due at `again`.
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

    /// When the next probe is to be sent, if none is under way.
    pub fn due(&self) -> Option<Instant> {
        match self {
            Attempt::Running(_) => None,
            Attempt::Due(due) => Some(*due),
        }
    }

    /// Whether the process `pid` is the probe that is under way.
    pub fn is_by(&self, pid: Pid) -> bool {
        self.running().is_some_and(|probe| probe.pid == pid)
    }
}

impl Probe {
    /// Sends the process that `start` forks; `None` if none can be forked now, because of the unit's limit
    /// (`TasksMax=`) or for lack of memory. The app may have caused that; it is no evidence against a filesystem.
    ///
    /// # Errors
    /// When forking fails for another reason.
    pub fn send(start: impl FnOnce() -> Result<Pid, SysError>) -> Result<Option<Self>, SysError> {
        let since = Instant::now();
        match start() {
            Ok(pid) => Ok(Some(Self { pid, since })),
            Err(error) if matches!(error.errno, Errno::EAGAIN | Errno::ENOMEM) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Forks a copy of this process that does `work` and exits with the returned code.
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
            // It may just have ended by itself; it is reaped like all others.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => log(
                Priority::Warning,
                &format!("cannot signal a process: {}", errno.desc()),
            ),
        }
    }

    /// Its state in proc (`S`, `D`, `R`, `T`, ...); `None` when it has ended.
    pub fn state(&self, proc: &Proc) -> Option<u8> {
        proc.stat(self.pid).map(|stat| stat.state)
    }
}
