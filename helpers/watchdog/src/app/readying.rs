//! Waits until an app serves: either it reports that itself, or it is asked repeatedly.

use crate::app::accepts;
use crate::app::running::Running;
use crate::liveness::way::Way;
use crate::processes::probe::{Attempt, Probe};
use nix::unistd::Pid;
use std::time::{Duration, Instant};
use vassal_state::app::{App, Readiness};
use vassal_sys::SysError;
use vassal_sys::proc::Proc;

/// The time between two attempts to connect to an app that does not report readiness itself.
const AGAIN: Duration = Duration::from_millis(20);

/// The wait for an app's readiness.
#[derive(Debug)]
pub struct Readying {
    is_ready: bool,
    /// The process that asks the app, or the time when the next one is sent.
    asking: Attempt,
}

impl Readying {
    /// The wait for an app that was started at `now`.
    pub fn of(app: &App, now: Instant) -> Self {
        Self {
            is_ready: app.readiness == Readiness::Started,
            asking: Attempt::Due(now),
        }
    }

    /// Whether the app serves.
    pub fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// The app has reported that it serves.
    pub fn set_ready(&mut self) {
        self.is_ready = true;
    }

    /// Sends a process that asks the app, if it is time for that. `others` are the apps that listen on the same
    /// sockets.
    ///
    /// # Errors
    /// When no process can be forked.
    pub fn ask(
        &mut self,
        running: &Running,
        others: &[Pid],
        proc: &Proc,
        now: Instant,
    ) -> Result<(), SysError> {
        if self.due(&running.app).is_none_or(|due| due > now) {
            return Ok(());
        }
        let whose = Some((proc, running.pid(), others));
        let way = Way {
            proc,
            app: running.pid(),
        };
        let question = || match &running.app.readiness {
            Readiness::Connect(address) => accepts::accepts(address, way, None),
            Readiness::Accepted(address) => accepts::accepts(address, way, whose),
            Readiness::Http(url) => accepts::serves(url, way, whose.filter(|_| url.is_kept)),
            // An app that reports readiness itself is not asked; see `due`.
            Readiness::Accepting | Readiness::Loaded | Readiness::Notify | Readiness::Started => Ok(()),
        };
        let code = || question().err().map_or(0, |errno| errno as i32);
        self.asking = Attempt::of(Probe::run(code)?, now + AGAIN);
        Ok(())
    }

    /// When the app has to be asked next.
    pub fn due(&self, app: &App) -> Option<Instant> {
        let is_asked = matches!(
            app.readiness,
            Readiness::Connect(_) | Readiness::Accepted(_) | Readiness::Http(_)
        );
        self.asking.due().filter(|_| is_asked && !self.is_ready)
    }

    /// Takes the exit code of the process `pid`. Returns whether that was the one that asked.
    pub fn take_answer(&mut self, pid: Pid, code: Option<i32>) -> bool {
        if !self.asking.is_by(pid) {
            return false;
        }
        self.is_ready |= code == Some(0);
        self.asking = Attempt::Due(Instant::now() + AGAIN);
        true
    }

    /// Kills a process that still asks.
    pub fn end(&self) {
        self.asking.running().into_iter().for_each(Probe::end);
    }
}
