//! Names of vassals that systemd writes differently.

use vassal_tests::{Suite, seed};

use crate::LIMIT;
use crate::vassals::{drop_in, get, machine};

/// Names of files, and the instances that systemctl makes of them.
const NAMES: [(&str, &str); 4] = [
    ("a-b", "a-b"),
    ("my app", r"my\x20app"),
    ("shop.example", "shop.example"),
    ("50%off", r"50\x25off"),
];

#[test]
fn a_name_is_escaped_as_systemctl_does_it() {
    for suite in Suite::all() {
        let machine = machine(suite);
        for (name, instance) in NAMES {
            drop_in(&machine, name, seed::ZIP);
            let unit = format!("vassal@{instance}.service");
            machine.must(&["systemctl", "start", &format!("vassal@{name}")]);
            assert_eq!(machine.unit(&unit, "ActiveState"), "active", "{name}");
            assert_eq!(get(&machine, 9090, "/live"), "app001\n", "{name}");
            let paths = machine.unit(&unit, "DropInPaths");
            assert!(paths.contains("/50-vassal.conf"), "{name}: {paths}");
            machine.wait_for_journal(&unit, "spawned uWSGI worker 1", LIMIT);
            machine.must(&["systemctl", "stop", &unit]);
        }
    }
}
