//! The vassals of this suite, and what vassalctl says of them.

use std::time::Duration;

use serde_json::Value;
use vassal_tests::{Boot, Machine, Owner, Suite, fixtures, installed, seed};

/// What anything may take on a busy host.
pub const LIMIT: Duration = Duration::from_secs(60);
pub const VASSALS: &str = "/etc/uwsgi/vassals";

/// An app that only sleeps.
pub const SLEEPER: &str =
    "[uwsgi]\nuid = user001\ngid = user001\n[vassal]\ncommand = exec /usr/bin/sleep infinity\n";

/// A machine with vassal installed, and the scenario's first vassal, which is not started.
pub fn machine(suite: Suite) -> Machine {
    let machine = Boot::of(suite).layer(&installed(suite)).start().unwrap();
    fixtures::scenario(&machine);
    vassal(&machine, "user001", seed::ZIP_WATCHED);
    machine
}

/// Puts a vassal's file there, and has systemd know it.
pub fn vassal(machine: &Machine, name: &str, text: &str) {
    machine.write(format!("{VASSALS}/{name}.ini"), text, 0o644, Owner::ROOT);
    machine.must(&["systemctl", "daemon-reload"]);
}

/// The health record of a vassal.
pub fn record(machine: &Machine, name: &str) -> Value {
    serde_json::from_slice(&machine.read(format!("/run/vassal/health/{name}.json"))).unwrap()
}

/// What `vassalctl list --json` says of one vassal.
pub fn listed(machine: &Machine, name: &str) -> Value {
    let list: Value = serde_json::from_str(&machine.must(&["vassalctl", "list", "--json"])).unwrap();
    assert_eq!(list["schema"], 1);
    let vassals = list["vassals"].as_array().unwrap();
    let found = vassals.iter().find(|vassal| vassal["name"] == name);
    found.cloned().unwrap_or_default()
}

/// The marks of a vassal in the list.
pub fn marks(machine: &Machine, name: &str) -> Vec<String> {
    let marks = listed(machine, name)["marks"].clone();
    serde_json::from_value(marks).unwrap()
}

/// Waits until `vassalctl list` gives a vassal this state.
pub fn wait_for_state(machine: &Machine, name: &str, state: &str) {
    machine.wait_for(&format!("{name} {state}"), LIMIT, || {
        let found = listed(machine, name);
        if found["state"] == state {
            Ok(())
        } else {
            Err(found.to_string())
        }
    });
}
