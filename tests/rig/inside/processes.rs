//! The processes of a machine, by their pids on the host.

use std::fs;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::container::cgroup;
use crate::container::machine::Machine;

impl Machine {
    /// The processes with a command name (`comm`, so at most 15 bytes), the oldest first.
    pub fn pids(&self, name: &str) -> Vec<Pid> {
        oldest_first(self.cgroup.processes(), name)
    }

    /// The processes of a unit with a command name, the oldest first: a parent before its children.
    ///
    /// # Panics
    ///
    /// When systemd does not answer.
    pub fn pids_of(&self, unit: &str, name: &str) -> Vec<Pid> {
        oldest_first(self.unit_pids(unit), name)
    }

    /// All processes of a unit; none when it does not run.
    ///
    /// # Panics
    ///
    /// When systemd does not answer.
    pub fn unit_pids(&self, unit: &str) -> Vec<Pid> {
        let path = self.unit(unit, "ControlGroup");
        match path.strip_prefix('/') {
            Some(path) if !path.is_empty() => cgroup::processes_below(&self.cgroup.payload().join(path)),
            Some(_) | None => Vec::new(),
        }
    }

    /// The one process of a unit with a command name.
    ///
    /// # Panics
    ///
    /// When there is none, or more than one.
    pub fn pid_of(&self, unit: &str, name: &str) -> Pid {
        match self.pids_of(unit, name)[..] {
            [pid] => pid,
            ref pids => panic!(
                "{}: {unit} has {} processes '{name}'\n{}",
                self.name(),
                pids.len(),
                self.state()
            ),
        }
    }

    /// The pid of a process as the machine sees it; none when it is gone.
    ///
    /// # Panics
    ///
    /// When the process is not the machine's.
    pub fn inner_pid(&self, pid: Pid) -> Option<Pid> {
        self.assert_owns(pid);
        let levels = |pid: Pid| -> Vec<i32> {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let pids = status
                .lines()
                .find_map(|line| line.strip_prefix("NSpid:"))
                .unwrap_or_default();
            pids.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect()
        };
        let machine_level = levels(self.leader()).len();
        let inner = levels(pid).get(machine_level.saturating_sub(1)).copied();
        inner.map(Pid::from_raw)
    }

    /// Sends a signal to a process of the machine; false when it is gone already.
    ///
    /// # Panics
    ///
    /// When the process is not the machine's: tests must not reach the host.
    pub fn kill(&self, pid: Pid, signal: Signal) -> bool {
        self.assert_owns(pid);
        match kill(pid, signal) {
            Ok(()) => true,
            Err(Errno::ESRCH) => false,
            Err(errno) => panic!("{}: cannot signal process {pid}: {}", self.name(), errno.desc()),
        }
    }

    pub(crate) fn assert_owns(&self, pid: Pid) {
        let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let own = format!("/{}/", self.name());
        let owns = cgroups
            .lines()
            .any(|line| line.starts_with("0::") && line.contains(&own));
        // A process that has just ended is nobody's.
        assert!(
            owns || cgroups.is_empty(),
            "{}: process {pid} is not of this machine",
            self.name()
        );
    }
}

/// Not in the order of their numbers, which begin anew when they have been used up: then a child's is the lower one.
fn oldest_first(pids: Vec<Pid>, name: &str) -> Vec<Pid> {
    let mut found: Vec<Pid> = pids.into_iter().filter(|pid| comm(*pid) == name).collect();
    found.sort_by_key(|pid| (started(*pid), *pid));
    found
}

/// When a process was started, in ticks since the host's boot; one that has just ended, at the end of time.
fn started(pid: Pid) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // Field 22; the second one, the name in parentheses, may have spaces (proc_pid_stat(5)).
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let start = after_name.split(' ').nth(19).and_then(|field| field.parse().ok());
    start.unwrap_or(u64::MAX)
}

fn comm(pid: Pid) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm"))
        .unwrap_or_default()
        .trim_end()
        .to_owned()
}
