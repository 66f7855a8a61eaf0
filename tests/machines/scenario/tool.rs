//! `vassalctl` on a machine: what it says of the scenario's vassals is what happens to them.

use vassal_tests::{Suite, seed};

use crate::vassals::{UNIT, drop_in, fails_to_start, machine, serving};

#[test]
fn a_vassal_that_serves_has_no_finding_and_is_shown_step_by_step() {
    for suite in Suite::all() {
        let machine = serving(suite, seed::ZIP_ATEXIT);
        let check = machine.run(&["vassalctl", "check"]);
        assert!(check.succeeded(), "{check}");
        let shown = machine.must(&["vassalctl", "show", "user001"]);
        for piece in [
            "user001.ini:7",
            "fuse-zip -r /var/www/app001.zip /app",
            "fusermount -u /app",
            "0.0.0.0:9090",
            "Slice=vassal-",
        ] {
            assert!(shown.contains(piece), "no '{piece}' in\n{shown}");
        }
        let fates = machine.run(&["vassalctl", "migrate", "/etc/uwsgi/vassals"]);
        assert!(fates.succeeded(), "{fates}");
    }
}

#[test]
fn what_keeps_a_vassal_from_starting_is_found_before() {
    for suite in Suite::all() {
        let machine = machine(suite);
        let wrong = seed::ZIP.replace("gid = user001", "gid = user001\nhook-as-root = mout:x");
        drop_in(&machine, "user001", &wrong);
        let check = machine.run(&["vassalctl", "check"]);
        assert!(!check.succeeded(), "{check}");
        let told = "unknown hook action 'mout'";
        assert!(
            check.stdout.contains(told) && check.stdout.contains("user001.ini:5:1"),
            "{check}"
        );
        let status = fails_to_start(&machine, UNIT);
        assert!(status.stdout.contains(told), "{status}");
        // What the machine lacks, and not the file.
        drop_in(&machine, "user001", seed::ZIP);
        machine.must_sh("chmod 0600 /dev/fuse; chown root /app");
        let check = machine.run(&["vassalctl", "check"]);
        assert!(
            check.stdout.contains("/dev/fuse") && check.stdout.contains("/app"),
            "{check}"
        );
    }
}
