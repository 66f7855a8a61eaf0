//! Machines with vassals: dropping a file in, starting it, and what one asks of a running one.

use std::collections::BTreeSet;
use std::path::PathBuf;

use vassal_tests::{Boot, Machine, Output, Owner, Pid, Suite, fixtures, installed};

use crate::LIMIT;

/// The unit of user001.ini.
pub const UNIT: &str = "vassal@user001.service";
/// The unit of user002.ini.
pub const SECOND: &str = "vassal@user002.service";

/// A machine with the package installed and the first vassal's archive and mountpoint in place.
pub fn machine(suite: Suite) -> Machine {
    let machine = Machine::boot(suite, &[installed(suite)]);
    fixtures::scenario(&machine);
    machine
}

/// A machine with the package installed and the shared root of the copy-on-write scenario.
pub fn copy_on_write_machine(suite: Suite) -> Machine {
    match Boot::of(suite).layer(&installed(suite)).copy_on_write().start() {
        Ok(machine) => machine,
        Err(failure) => panic!("{suite}: {failure}"),
    }
}

/// A machine in which user001.ini has this text and its vassal serves on port 9090.
pub fn serving(suite: Suite, text: &str) -> Machine {
    let machine = machine(suite);
    drop_in(&machine, "user001", text);
    machine.must(&["systemctl", "start", UNIT]);
    machine.poll_http(9090, "/", LIMIT);
    machine
}

/// Puts NAME.ini into the vassals' directory and tells systemd.
pub fn drop_in(machine: &Machine, name: &str, text: &str) {
    machine.write(format!("/etc/uwsgi/vassals/{name}.ini"), text, 0o644, Owner::ROOT);
    machine.must(&["systemctl", "daemon-reload"]);
}

/// The text of a zip vassal turned into one for user002 with an archive, a mountpoint and a port of its own, which are made.
pub fn second_zip(machine: &Machine, text: &str) -> String {
    fixtures::zip_app(machine, "/var/www/app002.zip", "app002");
    fixtures::mountpoint(machine, "/app2", Owner::USER002);
    text.replace("user001", "user002")
        .replace("app001", "app002")
        .replace(" /app\n", " /app2\n")
        .replace(" /app/", " /app2/")
        .replace("9090", "9091")
}

/// Starts a unit that must not come up; what `systemctl status` then shows.
pub fn fails_to_start(machine: &Machine, unit: &str) -> Output {
    let start = machine.run(&["systemctl", "start", unit]);
    assert!(!start.succeeded(), "{unit} has started\n{}", machine.state());
    machine.status(unit)
}

/// Demands that a unit has failed with exit code 78 and is not tried again.
pub fn assert_refused(machine: &Machine, unit: &str) {
    let seen =
        ["ActiveState", "Result", "ExecMainStatus", "NRestarts"].map(|property| machine.unit(unit, property));
    assert_eq!(seen, ["failed", "exit-code", "78", "0"], "{}", machine.state());
}

/// Waits until a unit is active again, after `restarts` restarts, and answers.
pub fn wait_restarted(machine: &Machine, unit: &str, port: u16, restarts: u32) {
    machine.wait_for_unit(unit, "NRestarts", &restarts.to_string(), LIMIT);
    machine.wait_for_unit(unit, "ActiveState", "active", LIMIT);
    machine.poll_http(port, "/", LIMIT);
}

/// The body of a 200 answer.
pub fn get(machine: &Machine, port: u16, path: &str) -> String {
    match machine.http(port, path) {
        Ok((200, body)) => String::from_utf8_lossy(&body).into_owned(),
        Ok((status, body)) => panic!("{path}: {status} {}", String::from_utf8_lossy(&body)),
        Err(error) => panic!("{path}: {error}\n{}", machine.state()),
    }
}

/// The first process of uWSGI in a unit: its master, where it has one.
pub fn uwsgi(machine: &Machine, unit: &str) -> Pid {
    match machine.pids_of(unit, "uwsgi").first() {
        Some(pid) => *pid,
        None => panic!("no uwsgi in {unit}\n{}", machine.state()),
    }
}

/// The innermost pids of all processes of a unit that are still there.
pub fn inner_pids(machine: &Machine, unit: &str) -> BTreeSet<u32> {
    let innermost = |pid: Pid| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
        pids.split_whitespace().next_back()?.parse().ok()
    };
    machine
        .unit_pids(unit)
        .into_iter()
        .filter_map(innermost)
        .collect()
}

/// What a namespace link of a process points to.
pub fn namespace(pid: Pid, kind: &str) -> PathBuf {
    std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap()
}

/// The lines of a process's mountinfo whose mountpoint is `path`.
pub fn mounts_on(pid: Pid, path: &str) -> Vec<String> {
    let mountinfo = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let is_there = |line: &&str| line.split(' ').nth(4) == Some(path);
    mountinfo.lines().filter(is_there).map(str::to_owned).collect()
}
