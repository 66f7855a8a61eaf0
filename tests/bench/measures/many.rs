//! What it costs to watch many mounts that are well: those of the lightest daemon there is, one or several to a vassal.

use std::fs;
use std::time::{Duration, Instant};

use vassal_tests::{Failure, Machine, Owner, Pid};

use crate::measures::remount::install;

/// Vassals that run at the same time, and the mounts that each of them watches.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    /// How many vassals.
    pub vassals: usize,
    /// How many mounts each has.
    pub mounts: usize,
}

impl Crowd {
    /// Those that are measured, of a thousand mounts each: most of what a watchdog costs is that it wakes up, however many
    /// mounts it has.
    pub const ALL: [Crowd; 2] = [
        Crowd {
            vassals: 1000,
            mounts: 1,
        },
        Crowd {
            vassals: 50,
            mounts: 20,
        },
    ];

    /// The mounts of all.
    pub fn all_mounts(self) -> usize {
        self.vassals * self.mounts
    }
}

/// So many are started and stopped together: each has to be there within systemd's usual limit.
const AT_ONCE: usize = 50;

/// After ten seconds a vassal has written down that it serves; then nothing is left but watching.
const SETTLING: Duration = Duration::from_secs(15);
/// One of the slowest rhythm, that of the probes; of all others many.
const WATCHED: Duration = Duration::from_secs(120);

/// Costs of a crowd. A core is 1.
#[derive(Clone, Copy, Debug)]
pub struct Costs {
    /// Of whom.
    pub crowd: Crowd,
    /// Of the watchdogs and the processes they send out.
    pub watchdogs: f64,
    /// Of the watchdogs' own processes.
    pub own: f64,
    /// Of the FUSE daemons, which answer.
    pub daemons: f64,
    /// Of systemd, which hears the keep-alives (and does whatever else it does).
    pub systemd: f64,
    /// How often all watchdogs together wake up in a second.
    pub wakeups: f64,
}

/// Starts the vassals, lets them be, and stops them.
///
/// # Errors
///
/// When the daemon cannot be built.
///
/// # Panics
///
/// When they do not start.
pub fn measure(machine: &Machine, crowd: Crowd) -> Result<Costs, Failure> {
    install(machine, "idlefs", "/usr/local/bin/idlefs")?;
    let names: Vec<String> = (1..=crowd.vassals)
        .map(|number| format!("many{number:03}"))
        .collect();
    let mounts: Vec<String> = (1..=crowd.mounts)
        .map(|number| format!("/mnt/idle{number}"))
        .collect();
    for mount in &mounts {
        machine.make_dir(mount, 0o755, Owner::USER001);
    }
    for name in &names {
        machine.write(
            format!("/etc/uwsgi/vassals/{name}.ini"),
            ini(&mounts),
            0o644,
            Owner::ROOT,
        );
    }
    let units: Vec<String> = names
        .iter()
        .map(|name| format!("vassal@{name}.service"))
        .collect();
    let units: Vec<&str> = units.iter().map(String::as_str).collect();
    machine.must(&["systemctl", "daemon-reload"]);
    for some in units.chunks(AT_ONCE) {
        machine.must(&[&["systemctl", "start"], some].concat());
    }
    std::thread::sleep(SETTLING);
    let (watchdogs, daemons) = (machine.pids("vassal-watchdog"), machine.pids("idlefs"));
    assert_eq!(
        (watchdogs.len(), daemons.len()),
        (crowd.vassals, crowd.all_mounts()),
        "{}",
        machine.state()
    );
    let before = Counters::read(machine, &watchdogs, &daemons);
    std::thread::sleep(WATCHED);
    let after = Counters::read(machine, &watchdogs, &daemons);
    for some in units.chunks(AT_ONCE) {
        machine.must(&[&["systemctl", "stop"], some].concat());
    }
    Ok(after.since(&before, crowd))
}

/// A vassal with these mounts.
fn ini(mounts: &[String]) -> String {
    let uid = Owner::USER001.uid;
    let hooks = mounts.iter().map(|mount| {
        format!("exec-as-root = /usr/local/bin/idlefs {uid} {mount}\nmountpoint-check = {mount}\n")
    });
    let hooks: String = hooks.collect();
    format!(
        "[uwsgi]\nuid = user001\ngid = user001\n{hooks}[vassal]\ncommand = exec /usr/bin/sleep infinity\n"
    )
}

/// Counters that only grow; times in nanoseconds.
struct Counters {
    at: Instant,
    slice: f64,
    watchdogs: f64,
    daemons: f64,
    systemd: f64,
    wakeups: f64,
}

impl Counters {
    fn read(machine: &Machine, watchdogs: &[Pid], daemons: &[Pid]) -> Counters {
        Counters {
            at: Instant::now(),
            slice: slice(machine),
            watchdogs: watchdogs.iter().map(|pid| running(*pid)).sum(),
            daemons: daemons.iter().map(|pid| running(*pid)).sum(),
            systemd: running(machine.leader()),
            wakeups: watchdogs.iter().map(|pid| sleeps(*pid)).sum(),
        }
    }

    fn since(&self, before: &Counters, crowd: Crowd) -> Costs {
        let seconds = (self.at - before.at).as_secs_f64();
        let cost = |after: f64, before: f64| (after - before) / 1e9 / seconds;
        let daemons = cost(self.daemons, before.daemons);
        Costs {
            crowd,
            // The apps sleep; so all the rest of the vassals' time is theirs.
            watchdogs: cost(self.slice, before.slice) - daemons,
            own: cost(self.watchdogs, before.watchdogs),
            daemons,
            systemd: cost(self.systemd, before.systemd),
            wakeups: (self.wakeups - before.wakeups) / seconds,
        }
    }
}

/// All that ever ran in the slice of the vassals (cgroups.rst, cpu.stat).
fn slice(machine: &Machine) -> f64 {
    let text = machine.must(&["cat", "/sys/fs/cgroup/vassal.slice/cpu.stat"]);
    let line = text.lines().find_map(|line| line.strip_prefix("usage_usec "));
    line.and_then(|number| number.trim().parse::<f64>().ok())
        .map_or(f64::NAN, |micros| micros * 1e3)
}

/// The first field of schedstat (sched-stats.rst).
fn running(pid: Pid) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
    let first = text.split(' ').next().and_then(|number| number.parse().ok());
    first.unwrap_or(f64::NAN)
}

/// How often it has gone to sleep by itself.
fn sleeps(pid: Pid) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.and_then(|number| number.trim().parse().ok())
        .unwrap_or(f64::NAN)
}
