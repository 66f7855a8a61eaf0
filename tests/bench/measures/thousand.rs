//! A thousand vassals at once, beside as many units of systemd that are nothing but a process: how long their start takes, and
//! who is lost in it, or when systemd stands still afterwards.

use std::time::{Duration, Instant};

use vassal_tests::{Failure, Machine, Owner, Signal, Suite, installed};

/// How many of each.
pub const COUNT: usize = 1000;
/// How long systemd stands still: twice as long as it lets a vassal be silent.
pub const STANDSTILL: Duration = Duration::from_secs(60);
/// It reads its queue and looks at all its clocks.
const SETTLING: Duration = Duration::from_secs(5);

/// The least that systemd can start: no user, no notification, no watchdog.
const BARE: &str = "[Service]\nExecStart=/usr/bin/sleep infinity\n";
const VASSAL: &str =
    "[uwsgi]\nuid = nobody\ngid = nogroup\n[vassal]\ncommand = exec /usr/bin/sleep infinity\n";

/// What was seen.
#[derive(Clone, Copy, Debug)]
pub struct Mass {
    /// From the command to the last vassal's readiness.
    pub vassals: Duration,
    /// The same of the bare units.
    pub bare: Duration,
    /// Vassals that were not running then, or had been restarted.
    pub lost: usize,
    /// Vassals that were not running after systemd's standstill, or had been restarted.
    pub killed: usize,
}

/// Boots a machine and starts both, each alone.
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
    for number in 1..=COUNT {
        let path = format!("/etc/uwsgi/vassals/mass{number:04}.ini");
        machine.write(path, VASSAL, 0o644, Owner::ROOT);
    }
    machine.write("/etc/systemd/system/bare@.service", BARE, 0o644, Owner::ROOT);
    let bare: String = (1..=COUNT)
        .map(|number| format!("Wants=bare@{number:04}.service\n"))
        .collect();
    let bare = format!("[Unit]\n{bare}");
    machine.write("/etc/systemd/system/bare.target", bare, 0o644, Owner::ROOT);
    machine.must(&["systemctl", "daemon-reload"]);
    let bare = start(&machine, "bare.target");
    eprintln!("{suite}: bare {bare:?}");
    machine.must_sh("systemctl stop 'bare@*'");
    machine.must(&["systemctl", "stop", "bare.target"]);
    let vassals = start(&machine, "vassals.target");
    let lost = not_well(&machine);
    assert!(machine.kill(machine.leader(), Signal::SIGSTOP));
    std::thread::sleep(STANDSTILL);
    assert!(machine.kill(machine.leader(), Signal::SIGCONT));
    std::thread::sleep(SETTLING);
    let killed = not_well(&machine) - lost;
    machine.must(&["systemctl", "stop", "vassals.target"]);
    Ok(Mass {
        vassals,
        bare,
        lost,
        killed,
    })
}

fn start(machine: &Machine, target: &str) -> Duration {
    let begun = Instant::now();
    machine.must(&["systemctl", "start", target]);
    begun.elapsed()
}

/// How many vassals do not run, or not as they were started.
fn not_well(machine: &Machine) -> usize {
    let script = "systemctl show --property=SubState,NRestarts 'vassal@mass*' | \
                  awk -v RS= '/SubState=running/ && /NRestarts=0/ { n++ } END { print n + 0 }'";
    let well: usize = machine.must_sh(script).trim().parse().unwrap_or(0);
    COUNT - well
}
