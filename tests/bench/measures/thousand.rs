//! A thousand vassals at once, beside as many units of systemd that are nothing but a process, in turns on one machine: how long
//! their start takes, a daemon-reload while they run, and their stop; who is lost in the start, or when systemd stands still
//! afterwards; and what their keep-alives cost systemd.

use std::fs;
use std::time::{Duration, Instant};

use vassal_tests::{Failure, Machine, Owner, Signal, Suite, installed};

use crate::measures::ladder::{Ladder, Rung};

/// How many of each.
pub const COUNT: usize = 1000;
/// How often both are started, reloaded and stopped.
const ROUNDS: usize = 2;
/// Reloads while each runs.
const RELOADS: usize = 2;
/// How long systemd stands still: twice as long as it lets a vassal be silent ([`SHORT_WATCHDOG`]).
pub const STANDSTILL: Duration = Duration::from_secs(60);
/// It reads its queue and looks at all its clocks.
const SETTLING: Duration = Duration::from_secs(5);
/// How long systemd's share of a core is measured: the time between two keep-alives.
const IDLE: Duration = Duration::from_secs(30);

/// The least that systemd can start: no user, no notification, no watchdog.
const BARE: &str = "[Service]\nExecStart=/usr/bin/sleep infinity\n";
const VASSAL: &str =
    "[uwsgi]\nuid = nobody\ngid = nogroup\n[vassal]\ncommand = exec /usr/bin/sleep infinity\n";
/// How many are loaded, and none runs.
pub const LOADED: usize = 5000;
const SHORT_WATCHDOG: &str = "[Service]\nWatchdogSec=30s\n";

/// What was seen.
#[derive(Clone, Debug)]
pub struct Mass {
    /// Start, daemon-reload and stop, each of the bare units and of the vassals.
    pub ladders: [Ladder; 3],
    /// A daemon-reload with [`LOADED`] vassals, of which none runs.
    pub loaded: Vec<Duration>,
    /// systemd's share of a core when all vassals run and nothing happens.
    pub idle: f64,
    /// Vassals that were not running after a start, or had been restarted.
    pub lost: usize,
    /// Vassals that were not running after systemd's standstill, or had been restarted.
    pub killed: usize,
}

/// One of the two kinds of units.
struct Kind {
    target: &'static str,
    pattern: &'static str,
}

const KINDS: [Kind; 2] = [
    Kind {
        target: "bare.target",
        pattern: "bare@*",
    },
    Kind {
        target: "vassals.target",
        pattern: "vassal@mass*",
    },
];

/// Boots a machine and starts, reloads and stops both in turns, each alone.
///
/// # Errors
///
/// When the machine does not come up.
///
/// # Panics
///
/// When systemd does not answer.
pub fn measure(suite: Suite) -> Result<Mass, Failure> {
    let machine = vassal_tests::Boot::of(suite).layer(&installed(suite)).start()?;
    write_units(&machine);
    let mut mass = Mass {
        ladders: ["start", "daemon-reload", "stop"].map(|what| Ladder {
            what: format!("{what} of {COUNT}"),
            rungs: ["bare units", "vassals"].map(Rung::new).into(),
        }),
        loaded: Vec::new(),
        idle: 0.0,
        lost: 0,
        killed: 0,
    };
    for round in 0..ROUNDS {
        for (rung, kind) in KINDS.iter().enumerate() {
            let [start, reload, stop] = &mut mass.ladders;
            let systemctl =
                |command: &[&str]| timed(|| drop(machine.must(&[&["systemctl"], command].concat())));
            let time = systemctl(&["start", kind.target]);
            eprintln!("{suite}: {} {time:?}", kind.target);
            start.rungs[rung].times.insert(round, time);
            for number in 0..RELOADS {
                let time = systemctl(&["daemon-reload"]);
                reload.rungs[rung].times.insert(round * RELOADS + number, time);
            }
            if rung == 1 {
                mass.lost += not_well(&machine, "mass");
            }
            if rung == 1 && round + 1 == ROUNDS {
                mass.idle = idle(&machine);
                mass.killed = killed(&machine);
            }
            let time = systemctl(&["stop", kind.pattern, kind.target]);
            stop.rungs[rung].times.insert(round, time);
        }
    }
    for number in COUNT + 1..=LOADED {
        write_vassal(&machine, number);
    }
    // The bare units are not among those that are counted.
    machine.must_sh("rm /etc/systemd/system/bare*");
    machine.must(&["systemctl", "daemon-reload"]);
    for _ in 0..RELOADS {
        let reload = || drop(machine.must(&["systemctl", "daemon-reload"]));
        mass.loaded.push(timed(reload));
    }
    Ok(mass)
}

fn write_vassal(machine: &Machine, number: usize) {
    let path = format!("/etc/uwsgi/vassals/mass{number:04}.ini");
    machine.write(path, VASSAL, 0o644, Owner::ROOT);
}

fn write_units(machine: &Machine) {
    for number in 1..=COUNT {
        write_vassal(machine, number);
    }
    let unit = |name: &str, text: &str| {
        machine.write(format!("/etc/systemd/system/{name}"), text, 0o644, Owner::ROOT);
    };
    unit("bare@.service", BARE);
    let wants = (1..=COUNT).map(|number| format!("Wants=bare@{number:04}.service\n"));
    unit("bare.target", &format!("[Unit]\n{}", wants.collect::<String>()));
    machine.must(&["systemctl", "daemon-reload"]);
}

fn timed(act: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    act();
    begun.elapsed()
}

/// systemd's share of a core (the first field of schedstat, sched-stats.rst).
fn idle(machine: &Machine) -> f64 {
    let running = || {
        let text = fs::read_to_string(format!("/proc/{}/schedstat", machine.leader())).unwrap_or_default();
        let first = text
            .split(' ')
            .next()
            .and_then(|number| number.parse::<f64>().ok());
        first.unwrap_or(f64::NAN)
    };
    std::thread::sleep(SETTLING);
    let (begun, before) = (Instant::now(), running());
    std::thread::sleep(IDLE);
    (running() - before) / 1e9 / begun.elapsed().as_secs_f64()
}

/// Has systemd stand still, with clocks that have run out then; how many vassals that costs.
fn killed(machine: &Machine) -> usize {
    machine.make_dir("/run/systemd/system/vassal@.service.d", 0o755, Owner::ROOT);
    let drop_in = "/run/systemd/system/vassal@.service.d/short.conf";
    machine.write(drop_in, SHORT_WATCHDOG, 0o644, Owner::ROOT);
    machine.must(&["systemctl", "stop", "vassals.target"]);
    machine.must(&["systemctl", "daemon-reload"]);
    machine.must(&["systemctl", "start", "vassals.target"]);
    let lost = not_well(machine, "mass");
    assert!(machine.kill(machine.leader(), Signal::SIGSTOP));
    std::thread::sleep(STANDSTILL);
    assert!(machine.kill(machine.leader(), Signal::SIGCONT));
    std::thread::sleep(SETTLING);
    not_well(machine, "mass") - lost
}

/// How many of [`COUNT`] vassals whose names begin with `names` do not run, or not as they were started.
pub fn not_well(machine: &Machine, names: &str) -> usize {
    let script = format!(
        "systemctl show --property=SubState,NRestarts 'vassal@{names}*' | \
         awk -v RS= '/SubState=running/ && /NRestarts=0/ {{ n++ }} END {{ print n + 0 }}'"
    );
    let well: usize = machine.must_sh(&script).trim().parse().unwrap_or(0);
    COUNT - well
}
