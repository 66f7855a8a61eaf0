//! The machine, its one vassal, and what happens to it.

use std::time::Duration;

use vassal_tests::{Machine, Owner, Pid, Signal, Suite, fixtures, installed};

use crate::LIMIT;

pub use vassal_tests::on_each_suite;

/// The unit of user001.ini.
pub const UNIT: &str = "vassal@user001.service";

/// A vassal that has been ready for less than a second and fails is taken for one that fails to start: its next attempt waits,
/// as it is meant to. Here the first restart is what is looked at.
const PROVEN: Duration = Duration::from_millis(1100);

/// A machine with the package installed and the archive and mountpoint of the scenario's first vassal.
pub fn machine(suite: Suite) -> Machine {
    let machine = Machine::boot(suite, &[installed(suite)]);
    fixtures::scenario(&machine);
    machine
}

/// A machine in which user001.ini has this text and its vassal serves on port 9090.
pub fn serving(suite: Suite, text: &str) -> Machine {
    let machine = machine(suite);
    drop_in(&machine, text);
    machine.must(&["systemctl", "start", UNIT]);
    machine.poll_http(9090, "/", LIMIT);
    machine
}

/// Makes the text user001.ini and tells systemd.
pub fn drop_in(machine: &Machine, text: &str) {
    machine.write("/etc/uwsgi/vassals/user001.ini", text, 0o644, Owner::ROOT);
    machine.must(&["systemctl", "daemon-reload"]);
}

/// Waits until the vassal is active after so many restarts.
pub fn wait_restarted(machine: &Machine, restarts: usize) {
    let wanted = format!("NRestarts={restarts}\nActiveState=active");
    machine.wait_for(&wanted.replace('\n', " "), LIMIT, || {
        let show = ["systemctl", "show", "--property=NRestarts,ActiveState", UNIT];
        let seen = machine.must(&show);
        if seen == wanted { Ok(()) } else { Err(seen) }
    });
}

/// Lets a vassal that has just become active run so long that its next failure is a first one.
pub fn let_it_prove_itself() {
    std::thread::sleep(PROVEN);
}

/// The first process of uWSGI: the master, where there is one.
pub fn uwsgi(machine: &Machine) -> Pid {
    match machine.pids_of(UNIT, "uwsgi").first() {
        Some(pid) => *pid,
        None => panic!("no uwsgi\n{}", machine.state()),
    }
}

/// Ends a process as nobody can prevent.
pub fn kill(machine: &Machine, pid: Pid) {
    assert!(
        machine.kill(pid, Signal::SIGKILL),
        "{pid} was gone\n{}",
        machine.state()
    );
}

/// The lines of the unit's journal with a priority of at least that (`warning`), without systemd's own.
pub fn complaints(machine: &Machine, priority: &str) -> Vec<String> {
    machine.must(&["journalctl", "--sync"]);
    let priority = format!("--priority={priority}");
    let lines = machine.must(&[
        "journalctl",
        "--quiet",
        "--output=short",
        &priority,
        "--unit",
        UNIT,
    ]);
    let is_ours = |line: &&str| !line.contains(" systemd[1]: ");
    lines.lines().filter(is_ours).map(str::to_owned).collect()
}
