//! Whether an app serves already: it says so itself, or is asked again and again.

use crate::app::accepts;
use crate::app::running::Running;
use crate::liveness::way::Way;
use crate::processes::probe::{Attempt, Probe};
use nix::unistd::Pid;
use std::time::{Duration, Instant};
use vassal_state::app::{App, Readiness};
use vassal_sys::SysError;
use vassal_sys::proc::Proc;

/// The time between two tries to connect to an app that has not said otherwise that it serves.
const AGAIN: Duration = Duration::from_millis(20);

/// The wait for an app.
#[derive(Debug)]
pub struct Readying {
    is_ready: bool,
    /// A process that asks the app, or when the next one is due.
    asking: Attempt,
}

impl Readying {
    /// The wait for an app that was started now.
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

    /// It has said so.
    pub fn set_ready(&mut self) {
        self.is_ready = true;
    }

    /// Asks the app, when it is time; `others` are those that listen on the same sockets.
    ///
    /// # Errors
    /// When no process can be sent.
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
            // Who says so himself is not asked: see `due`.
            Readiness::Accepting | Readiness::Loaded | Readiness::Notify | Readiness::Started => Ok(()),
        };
        let code = || question().err().map_or(0, |errno| errno as i32);
        self.asking = Attempt::of(Probe::run(code)?, now + AGAIN);
        Ok(())
    }

    /// When the app is to be asked next.
    pub fn due(&self, app: &App) -> Option<Instant> {
        let is_asked = matches!(
            app.readiness,
            Readiness::Connect(_) | Readiness::Accepted(_) | Readiness::Http(_)
        );
        self.asking.due().filter(|_| is_asked && !self.is_ready)
    }

    /// The process `pid` has ended with `code`: whether it was the one that asked.
    pub fn take_answer(&mut self, pid: Pid, code: Option<i32>) -> bool {
        if !self.asking.is_by(pid) {
            return false;
        }
        self.is_ready |= code == Some(0);
        self.asking = Attempt::Due(Instant::now() + AGAIN);
        true
    }

    /// Nothing is to be known any more.
    pub fn end(&self) {
        self.asking.running().into_iter().for_each(Probe::end);
    }
}
