//! What stays in memory for each vassal beside its app and its FUSE daemons.

use std::fs;

use vassal_tests::{Machine, Owner, Pid, fixtures};

use crate::contender::{self, LIMIT};

/// Vassals that run at the same time: what they share is divided among them.
pub const VASSALS: usize = 20;

/// The proportional set sizes in KiB, one for each vassal.
#[derive(Debug)]
pub struct Memory {
    /// Of the vassal-watchdogs.
    pub watchdogs: Vec<u64>,
    /// Of uWSGI's masters under its own Emperor.
    pub masters: Vec<u64>,
}

/// Starts and stops twenty vassals of each; neither of the two may have one.
///
/// # Panics
///
/// When they do not start.
pub fn measure(machine: &Machine) -> Memory {
    Memory {
        watchdogs: watchdogs(machine),
        masters: masters(machine),
    }
}

/// The app is a sleep, and there is no mount: the watchdog does not depend on either.
fn watchdogs(machine: &Machine) -> Vec<u64> {
    let names = |prefix: &str| {
        (1..=VASSALS)
            .map(|n| format!("{prefix}{n:02}"))
            .collect::<Vec<_>>()
    };
    for name in names("memory") {
        let vassal = "[uwsgi]\nuid = user001\ngid = user001\n[vassal]\ncommand = sleep infinity\n";
        machine.write(
            format!("/etc/uwsgi/vassals/{name}.ini"),
            vassal,
            0o644,
            Owner::ROOT,
        );
    }
    let units = names("vassal@memory");
    let units: Vec<&str> = units.iter().map(String::as_str).collect();
    machine.must(&["systemctl", "daemon-reload"]);
    machine.must(&[&["systemctl", "start"], &units[..]].concat());
    let sizes = sizes(&machine.pids("vassal-watchdog"));
    machine.must(&[&["systemctl", "stop"], &units[..]].concat());
    sizes
}

/// The original has only its own server as an app, and supervises each with a master.
fn masters(machine: &Machine) -> Vec<u64> {
    machine.write("/srv/myapp.pl", fixtures::psgi_app("memory"), 0o644, Owner::ROOT);
    machine.must_sh("rm -f /etc/uwsgi-peer/vassals/*.ini");
    for n in 1..=VASSALS {
        let vassal = format!(
            "[uwsgi]\nplugin = psgi\nuid = user001\ngid = user001\nmaster = true\n\
             http-socket = 127.0.0.1:{}\npsgi = /srv/myapp.pl\n",
            9200 + n
        );
        let path = format!("/etc/uwsgi-peer/vassals/memory{n:02}.ini");
        machine.write(path, vassal, 0o644, Owner::ROOT);
    }
    contender::start_emperor(machine);
    // Each is complete when it has a worker beside its master.
    let complete = 1 + 2 * VASSALS;
    machine.wait_for("start of the Emperor's vassals", LIMIT, || {
        match machine.unit_pids("emperor.service").len() {
            count if count >= complete => Ok(()),
            count => Err(format!("{count} processes of {complete}")),
        }
    });
    let sizes = sizes(&contender::masters(machine));
    machine.must(&["systemctl", "kill", "--signal=KILL", "emperor.service"]);
    sizes
}

fn sizes(pids: &[Pid]) -> Vec<u64> {
    let sizes: Vec<u64> = pids
        .iter()
        .filter_map(|pid| proportional_set_size(*pid))
        .collect();
    assert_eq!(sizes.len(), VASSALS, "not every vassal has its supervisor");
    sizes
}

/// The line `Pss:` of smaps_rollup (proc_pid_smaps_rollup(5)).
pub fn proportional_set_size(pid: Pid) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
