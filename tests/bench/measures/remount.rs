//! fuse-zip is killed: until that is seen, and until the app runs in new namespaces on a new mount. Beside a service in C that
//! does the least, under the same systemd, with the same app and the same archive.

use std::fs;
use std::path::Path;
use std::time::Duration;

use vassal_tests::{Failure, Machine, Owner, Signal};

use crate::compile::compile;
use crate::measures::incident::PROVEN;
use crate::measures::ladder::{Ladder, Rung};
use crate::witness::{APP, Seen, Witness};

/// Many, as each restart waits for an RCU grace period that is at another point for each.
const ROUNDS: usize = 40;

const VASSAL: &str = "vassal@remount.service";
const FLOOR: &str = "floor.service";

/// The archive and the mountpoint of the scenario.
const ARCHIVE: &str = "/var/www/app001.zip";
const MOUNTPOINT: &str = "/app";

/// Kills the daemons of both in turns.
///
/// # Errors
///
/// When the programs cannot be built.
///
/// # Panics
///
/// When one of the two does not recover.
pub fn measure(machine: &Machine) -> Result<Vec<Ladder>, Failure> {
    install(machine, "app", APP)?;
    install(machine, "vassal", "/usr/local/bin/floor-vassal")?;
    let floor = Witness::new(machine, "floor", FLOOR, "fuse-zip");
    let vassal = Witness::new(machine, "vassal", VASSAL, "fuse-zip");
    write_units(machine, &floor, &vassal);
    let contenders = [floor, vassal];
    contenders.iter().for_each(Witness::start);
    let (mut acts, mut seen) = ([vec![], vec![]], [vec![], vec![]]);
    for _ in 0..ROUNDS {
        for ((witness, acts), seen) in contenders.iter().zip(&mut acts).zip(&mut seen) {
            acts.push(witness.first_act(PROVEN));
            seen.push(witness.incident(Signal::SIGKILL, PROVEN));
        }
    }
    machine.must(&["systemctl", "stop", VASSAL, FLOOR]);
    Ok(vec![
        ladder(
            "kill -9 of fuse-zip → seen: the first act, its app is stopped or begins to end",
            &acts,
        ),
        ladder(
            "kill -9 of fuse-zip → its app is killed",
            &times(&seen, |seen| seen.dead),
        ),
        ladder(
            "kill -9 of fuse-zip → a new app runs, in new namespaces, on a new mount",
            &times(&seen, |seen| seen.back),
        ),
    ])
}

fn times(seen: &[Vec<Seen>; 2], time: fn(&Seen) -> Duration) -> [Vec<Duration>; 2] {
    seen.each_ref().map(|seen| seen.iter().map(time).collect())
}

fn ladder(what: &str, times: &[Vec<Duration>; 2]) -> Ladder {
    let rung = |(name, times): (&str, &Vec<Duration>)| Rung {
        times: times.iter().copied().enumerate().collect(),
        ..Rung::new(name)
    };
    Ladder {
        what: what.to_owned(),
        rungs: ["floor", "vassal"].into_iter().zip(times).map(rung).collect(),
    }
}

/// Puts a program of the benchmark into the machine.
///
/// # Errors
///
/// When it cannot be built.
pub fn install(machine: &Machine, name: &str, path: &str) -> Result<(), Failure> {
    let program = compile(name)?;
    let bytes = fs::read(&program).map_err(|reason| Failure::File {
        doing: "read",
        path: program.clone(),
        reason,
    })?;
    machine.write(Path::new(path), bytes, 0o755, Owner::ROOT);
    Ok(())
}

fn write_units(machine: &Machine, floor: &Witness<'_>, vassal: &Witness<'_>) {
    let ini = format!(
        "[uwsgi]\nuid = user001\ngid = user001\nexec-as-user = fuse-zip -r {ARCHIVE} {MOUNTPOINT}\n\
         mountpoint-check = {MOUNTPOINT}\n[vassal]\ncommand = {}\n",
        vassal.command(MOUNTPOINT)
    );
    machine.write("/etc/uwsgi/vassals/remount.ini", ini, 0o644, Owner::ROOT);
    let arguments = floor.command("").replace(APP, "");
    let unit = format!(
        "[Service]\nType=notify\nNotifyAccess=all\nRestart=always\nRestartSec=0\n\
         ExecStart=/usr/local/bin/floor-vassal {} {} {ARCHIVE} {MOUNTPOINT}\n\
         [Unit]\nStartLimitIntervalSec=0\n",
        Owner::USER001.uid,
        arguments.trim()
    );
    machine.write("/etc/systemd/system/floor.service", unit, 0o644, Owner::ROOT);
    machine.must(&["systemctl", "daemon-reload"]);
}
