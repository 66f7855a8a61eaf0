//! A FUSE daemon stops answering while its app goes on asking: how long after `mountpoint-deadline` that is seen.

use std::time::Duration;

use vassal_tests::{Machine, Owner, Signal, fixtures};

use crate::measures::incident::PROVEN;
use crate::quiet;
use crate::table::Measured;
use crate::witness::{Seen, Witness};

const ROUNDS: u32 = 5;

/// The default, which the vassals here name.
const DEADLINE: Duration = Duration::from_secs(3);

/// Looks come this far apart.
const PHASE: Duration = Duration::from_millis(2500);

/// What was found out: times from the signal to the end of the app, less the deadline, in seconds.
#[derive(Debug)]
pub struct Lateness {
    /// The daemon was stopped, which its parent is told.
    pub stopped: Measured,
    /// The daemon stopped answering by itself.
    pub quiet: Measured,
}

/// Has both kinds of daemons hang in turns, at moments spread evenly between two looks. The programs of
/// [`crate::measures::remount`] are there.
///
/// # Panics
///
/// When a vassal does not recover.
pub fn measure(machine: &Machine) -> Lateness {
    quiet::install(machine);
    fixtures::mountpoint(machine, "/app3", Owner::USER003);
    let stopped = Witness::new(machine, "stopped", "vassal@stopped.service", "fuse-zip");
    let quiet = Witness::new(machine, "quiet", "vassal@quiet.service", "quietfs");
    write(
        machine,
        &stopped,
        "user001",
        "fuse-zip -r /var/www/app001.zip",
        "/app",
    );
    write(
        machine,
        &quiet,
        "user003",
        "/usr/local/bin/quietfs /srv/app003",
        "/app3",
    );
    machine.must(&["systemctl", "daemon-reload"]);
    stopped.start();
    quiet.start();
    let (mut by_signal, mut by_itself) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let rest = PROVEN + PHASE * round / ROUNDS;
        std::thread::scope(|scope| {
            let stop = scope.spawn(|| stopped.incident(Signal::SIGSTOP, rest));
            by_itself.push(late(quiet.incident(Signal::SIGUSR1, rest)));
            match stop.join() {
                Ok(seen) => by_signal.push(late(seen)),
                Err(_) => panic!("no recovery\n{}", machine.state()),
            }
        });
    }
    machine.must(&["systemctl", "stop", stopped.unit, quiet.unit]);
    Lateness {
        stopped: Measured::Values(by_signal),
        quiet: Measured::Values(by_itself),
    }
}

fn late(seen: Seen) -> f64 {
    seen.dead.as_secs_f64() - DEADLINE.as_secs_f64()
}

/// The app opens a file of the mount again and again, so that a request is unanswered from the first moment on.
fn write(machine: &Machine, witness: &Witness<'_>, user: &str, daemon: &str, mountpoint: &str) {
    let name = witness
        .unit
        .trim_start_matches("vassal@")
        .trim_end_matches(".service");
    let ini = format!(
        "[uwsgi]\nuid = {user}\ngid = {user}\nexec-as-user = {daemon} {mountpoint}\n\
         mountpoint-check = {mountpoint}\n[vassal]\nmountpoint-deadline = {}\ncommand = {}\n",
        DEADLINE.as_secs(),
        witness.command(&format!("{mountpoint} {mountpoint}/name"))
    );
    machine.write(format!("/etc/uwsgi/vassals/{name}.ini"), ini, 0o644, Owner::ROOT);
}
