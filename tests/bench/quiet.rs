//! A FUSE daemon that hangs without a sign: SIGSTOP, which the other measurements use, is announced to the parent (SIGCHLD).

use std::time::Duration;

use vassal_tests::{Machine, Owner, Signal, fixtures};

use crate::contender::LIMIT;
use crate::measures::incident;
use crate::measures::incident::{Incident, PROVEN, Victim};

const DAEMON: &str = include_str!("quietfs.py");

/// The requests that wait are looked at every five sixths of the deadline.
const LOOK: Duration = Duration::from_millis(2500);

const INI: &str = "\
[uwsgi]
plugin = psgi
uid = user003
gid = user003
exec-as-user = /usr/local/bin/quietfs /srv/app003 /app3
http-socket = :9092
psgi = /app3/myapp.pl
mountpoint-check = /app3
";

const VICTIM: Victim = Victim {
    unit: "vassal@user003.service",
    daemon: "quietfs",
    port: 9092,
    live_body: "app003\n",
};

/// Puts the daemon into the machine, and what it serves.
///
/// # Panics
///
/// When that is not possible.
pub fn install(machine: &Machine) {
    machine.write("/usr/local/bin/quietfs", DAEMON, 0o755, Owner::ROOT);
    machine.write(
        "/srv/app003/myapp.pl",
        fixtures::psgi_app("app003"),
        0o644,
        Owner::ROOT,
    );
    machine.write("/srv/app003/name", "app003\n", 0o644, Owner::ROOT);
}

/// Has the daemon of a vassal of its own hang a number of times, at moments spread evenly between two looks.
///
/// # Panics
///
/// When the vassal does not start or does not recover.
pub fn measure(machine: &Machine, incidents: u32) -> Vec<Incident> {
    install(machine);
    fixtures::mountpoint(machine, "/app3", Owner::USER003);
    machine.write("/etc/uwsgi/vassals/user003.ini", INI, 0o644, Owner::ROOT);
    machine.must(&["systemctl", "daemon-reload"]);
    machine.must(&["systemctl", "start", VICTIM.unit]);
    let hang = |number| {
        std::thread::sleep(PROVEN + LOOK * number / incidents);
        let incident = incident::cause(machine, VICTIM, Signal::SIGUSR1, LIMIT);
        assert!(incident.recovered.is_some(), "no recovery\n{}", machine.state());
        incident
    };
    let incidents = (0..incidents).map(hang).collect();
    machine.must(&["systemctl", "stop", VICTIM.unit]);
    incidents
}
