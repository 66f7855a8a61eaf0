//! Names of vassals that systemd writes differently.

use vassal_tests::{Suite, fixtures, seed};

use crate::LIMIT;
use crate::vassals::{drop_in, get, machine};

/// Names of files, and the instances that systemd-escape makes of them.
const NAMES: [(&str, &str); 4] = [
    ("a-b", r"a\x2db"),
    ("my app", r"my\x20app"),
    ("shop.example", "shop.example"),
    ("50%off", r"50\x25off"),
];

#[test]
fn a_name_is_escaped_as_systemd_does_it() {
    for suite in Suite::all() {
        let machine = machine(suite);
        for (name, instance) in NAMES {
            drop_in(&machine, name, seed::ZIP);
            let unit = machine.must(&["systemd-escape", "--template=vassal@.service", "--", name]);
            assert_eq!(unit, format!("vassal@{instance}.service"));
            machine.must_sh(&format!(
                r#"systemctl start "$(systemd-escape --template=vassal@.service '{name}')""#
            ));
            assert_eq!(get(&machine, 9090, "/live"), "app001\n", "{name}");
            let paths = machine.unit(&unit, "DropInPaths");
            assert!(paths.contains("/50-vassal.conf"), "{name}: {paths}");
            machine.wait_for_journal(&unit, "spawned uWSGI worker 1", LIMIT);
            machine.must(&["systemctl", "stop", &unit]);
        }
    }
}

#[test]
fn a_name_that_was_not_escaped_is_told_how() {
    for suite in Suite::all() {
        let machine = machine(suite);
        drop_in(&machine, "a-b", seed::ZIP);
        let start = machine.run(&["systemctl", "start", "vassal@a-b.service"]);
        assert!(!start.succeeded(), "{}", machine.state());
        let status = machine.run(&[
            "systemctl",
            "status",
            "--no-pager",
            "--full",
            "vassal@a-b.service",
        ]);
        assert!(
            status
                .stdout
                .contains(r"if its file is 'a-b.ini', the unit is 'vassal@a\x2db'"),
            "{status}"
        );
        fixtures::scenario(&machine);
        machine.must(&["systemctl", "start", r"vassal@a\x2db.service"]);
    }
}
