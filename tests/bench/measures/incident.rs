//! A FUSE daemon fails, and the app is asked until it reads through its mount again.

use std::fs;
use std::time::{Duration, Instant};

use vassal_tests::{Machine, Pid, Signal};

use crate::measures::request;
use crate::measures::request::{Failures, Fate};

/// The route that reads a file through the mount, each time.
const ROUTE: &str = "/live";

/// A vassal that has served for a second restarts without a pause; one that fails sooner has failed to start.
pub const PROVEN: Duration = Duration::from_millis(1100);

/// Whose daemon fails.
#[derive(Clone, Copy, Debug)]
pub struct Victim {
    /// The unit the daemon is in, which has one.
    pub unit: &'static str,
    /// The daemon's command name.
    pub daemon: &'static str,
    /// Where the app listens.
    pub port: u16,
    /// What the app answers while the mount is well.
    pub live_body: &'static str,
}

/// What was seen.
#[derive(Clone, Copy, Debug)]
pub struct Incident {
    /// From the signal to the answer; nothing, when there was none within the limit.
    pub recovered: Option<Duration>,
    /// The requests that failed in the meantime.
    pub failures: Failures,
}

/// Sends the daemon a signal and asks until the app answers, or the limit is over.
///
/// # Panics
///
/// When the unit does not have one such daemon.
pub fn cause(machine: &Machine, victim: Victim, signal: Signal, limit: Duration) -> Incident {
    let daemon = machine.pid_of(victim.unit, victim.daemon);
    let mut failures = Failures::default();
    let begun = Instant::now();
    assert!(machine.kill(daemon, signal), "{} is gone already", victim.daemon);
    while begun.elapsed() < limit {
        let asked = Instant::now();
        // An answer says something only when the old daemon can have had no part in it.
        let is_gone = is_gone(daemon);
        let fate = request::ask(machine, victim.port, ROUTE, victim.live_body);
        if is_gone && fate == Fate::Served {
            let recovered = Some(begun.elapsed());
            return Incident { recovered, failures };
        }
        failures.count(fate);
        request::wait_for_turn(asked);
    }
    Incident {
        recovered: None,
        failures,
    }
}

/// Whether a process is dead: its descriptors, and with them the FUSE connection, are closed before it becomes a zombie.
fn is_gone(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    matches!(state, None | Some('Z' | 'X'))
}
