//! Machines with a vassal whose app is an attack, and what the attack found.

use std::collections::BTreeMap;
use std::time::Duration;

use vassal_tests::{Machine, Owner, Suite, fixtures, installed};

/// More than anything here takes on a busy host.
pub const LIMIT: Duration = Duration::from_secs(30);

/// A machine with the package installed, the scenario's archive and mountpoint, and the attacks in /srv/attacks.
pub fn machine(suite: Suite) -> Machine {
    let machine = Machine::boot(suite, &[installed(suite)]);
    fixtures::scenario(&machine);
    machine.make_dir("/srv/seen", 0o1777, Owner::ROOT);
    machine.write(
        "/srv/attacks/calls.py",
        include_str!("calls.py"),
        0o644,
        Owner::ROOT,
    );
    machine
}

/// Puts NAME.ini into the vassals' directory, tells systemd, and starts it.
pub fn start(machine: &Machine, name: &str, text: &str) -> String {
    let unit = put(machine, name, text);
    machine.must(&["systemctl", "start", &unit]);
    unit
}

/// Puts NAME.ini into the vassals' directory and tells systemd; the unit's name.
pub fn put(machine: &Machine, name: &str, text: &str) -> String {
    machine.write(format!("/etc/uwsgi/vassals/{name}.ini"), text, 0o644, Owner::ROOT);
    machine.must(&["systemctl", "daemon-reload"]);
    format!("vassal@{name}.service")
}

/// The file of a vassal of user001's whose app is a command.
pub fn tenant(command: &str) -> String {
    format!("[uwsgi]\nuid = user001\ngid = user001\n[vassal]\ncommand = {command}\n")
}

/// The `NAME VALUE` lines that an attack leaves in a file when it is done.
pub fn findings(machine: &Machine, path: &str) -> BTreeMap<String, String> {
    let text = machine.wait_for(&format!("findings in {path}"), LIMIT, || {
        let found = machine.run(&["cat", path]);
        found.succeeded().then_some(found.stdout).ok_or(found.stderr)
    });
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}
