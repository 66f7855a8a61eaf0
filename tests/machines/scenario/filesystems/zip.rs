//! The zip vassal: the seed's file, dropped in.

use std::fs;

use vassal_tests::{Boot, Machine, Owner, Suite, fixtures, installed, seed};

use crate::LIMIT;
use crate::vassals::{UNIT, drop_in, get, inner_pids, machine, mounts_on, serving, uwsgi};

#[test]
fn a_vassal_that_is_dropped_in_is_served_after_reload_and_start() {
    for suite in Suite::all() {
        let machine = machine(suite);
        drop_in(&machine, "user001", seed::ZIP);
        assert!(machine.http(9090, "/").is_err(), "somebody serves already");
        machine.must_sh(&format!("systemctl daemon-reload && systemctl start {UNIT}"));
        // Without waiting: `systemctl start` returns when the app accepts.
        assert!(get(&machine, 9090, "/").starts_with("hello from app001 pid "));
        assert_eq!(get(&machine, 9090, "/live"), "app001\n");
        assert_eq!(get(&machine, 9090, "/list?/app"), "myapp.pl\nname\n");
        assert_eq!(machine.unit(UNIT, "ActiveState"), "active");
        assert_eq!(machine.unit(UNIT, "NRestarts"), "0");
    }
}

#[test]
fn a_vassal_is_started_at_boot_by_its_target() {
    for suite in Suite::all() {
        let archive = {
            let maker = Machine::boot(suite, &[]);
            fixtures::zip_app(&maker, "/app.zip", "app001");
            maker.read("/app.zip")
        };
        let machine = Boot::of(suite)
            .layer(&installed(suite))
            .file("/var/www/app001.zip", archive, 0o644, Owner::ROOT)
            .directory("/app", 0o755, Owner::USER001)
            .file("/etc/uwsgi/vassals/user001.ini", seed::ZIP, 0o644, Owner::ROOT)
            .start()
            .unwrap();
        machine.poll_http(9090, "/", LIMIT);
        assert_eq!(
            machine.must(&["systemctl", "is-enabled", "vassals.target"]),
            "enabled"
        );
        machine.wait_for_unit("vassals.target", "ActiveState", "active", LIMIT);
        assert!(
            machine
                .unit("vassals.target", "Wants")
                .split(' ')
                .any(|unit| unit == UNIT)
        );
        assert_eq!(machine.unit(UNIT, "ActiveState"), "active");
        assert_eq!(machine.unit(UNIT, "NRestarts"), "0", "{}", machine.journal(UNIT));
    }
}

#[test]
fn the_mount_is_invisible_outside_the_vassal() {
    for suite in Suite::all() {
        let machine = serving(suite, seed::ZIP);
        assert_eq!(machine.must(&["findmnt", "-no", "PROPAGATION", "/"]), "shared");
        let inside = mounts_on(uwsgi(&machine, UNIT), "/app");
        assert_eq!(inside.len(), 1, "{inside:?}");
        assert!(inside[0].contains(" fuse.fuse-zip "), "{inside:?}");
        let outside = fs::read_to_string(format!("/proc/{}/mountinfo", machine.leader())).unwrap();
        assert!(!outside.contains("fuse-zip"), "{outside}");
        assert_eq!(mounts_on(machine.leader(), "/app"), Vec::<String>::new());
        assert_eq!(machine.must(&["ls", "-A", "/app"]), "");
    }
}

#[test]
fn the_app_sees_the_processes_of_its_vassal_and_no_other() {
    for suite in Suite::all() {
        let machine = serving(suite, seed::ZIP);
        let seen = get(&machine, 9090, "/proc");
        let seen = seen.lines().map(|pid| pid.parse().unwrap()).collect();
        assert_eq!(inner_pids(&machine, UNIT), seen);
        assert!(seen.contains(&1), "{seen:?}");
    }
}

#[test]
fn a_stopped_vassal_leaves_no_process_and_no_mount() {
    for suite in Suite::all() {
        let machine = serving(suite, seed::ZIP);
        assert_eq!(machine.fuse_connections().len(), 1);
        machine.must(&["systemctl", "stop", UNIT]);
        assert_eq!(machine.unit_pids(UNIT), []);
        assert!(machine.pids("fuse-zip").is_empty() && machine.pids("uwsgi").is_empty());
        machine.wait_for("end of the FUSE connection", LIMIT, || {
            let left = machine.fuse_connections();
            if left.is_empty() {
                Ok(())
            } else {
                Err(format!("{left:?}"))
            }
        });
        let seen = ["ActiveState", "Result"].map(|property| machine.unit(UNIT, property));
        assert_eq!(seen, ["inactive", "success"], "{}", machine.journal(UNIT));
    }
}
