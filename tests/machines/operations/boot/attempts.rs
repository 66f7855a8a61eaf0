//! What is tried, when, and what an administrator sees of it.

use std::time::{Duration, Instant};

use vassal_tests::{Owner, on_each_suite};

use super::{FILE, GOOD, LIMIT, PORT, RETRY, UNIT, boots, failed, failures, hopeless, wait_for_status};

/// How many vassals fail at the boot of several.
const BAD: usize = 5;
const ALL: usize = 40;

#[test]
fn a_boot_with_vassals_that_fail_is_complete_and_shows_them_as_failed_and_they_come_when_they_are_mended() {
    on_each_suite(|suite| {
        // The machine is up when systemd has finished starting, which it would not have with a start job that never ends.
        let machine = boots(
            suite,
            &[("hopeless", &hopeless()), ("good", &GOOD.replace("9091", "9092"))],
        );
        machine.poll_http(9092, "/live", LIMIT);
        for target in ["vassals.target", "multi-user.target"] {
            machine.wait_for_unit(target, "ActiveState", "active", LIMIT);
        }
        machine.wait_for_unit(UNIT, "ActiveState", "failed", LIMIT);
        assert_eq!(
            machine.must_sh(&format!("systemctl is-failed {UNIT} || true")),
            "failed"
        );
        let listed = machine.must(&["systemctl", "list-units", "--failed", "--no-legend", "--plain"]);
        assert!(
            listed.lines().all(|line| line.starts_with(UNIT)) && !listed.is_empty(),
            "{listed}"
        );
        assert_eq!(machine.must_sh("systemctl is-system-running || true"), "degraded");
        let status = wait_for_status(&machine, UNIT, "waiting ");
        assert!(
            status.contains("; last: hopeless.ini:6: as-user hook: it failed"),
            "{status}"
        );
        assert!(status.ends_with("its last words: the disk is away"), "{status}");
        // It is tried again and again, and later and later, while it is a failed one.
        wait_for_status(&machine, UNIT, "waiting 4 s before attempt 5; last: ");
        wait_for_status(&machine, UNIT, "waiting 8 s before attempt 6; last: ");
        machine.wait_for_unit(UNIT, "ActiveState", "failed", LIMIT);
        assert_eq!(machine.unit(UNIT, "ExecMainStatus"), "75");
        assert_eq!(machine.unit(RETRY, "ActiveState"), "active");
        assert_eq!(failures(&machine, UNIT), 5, "{}", machine.journal(UNIT));
        machine.write(FILE, GOOD, 0o644, Owner::ROOT);
        machine.poll_http(PORT, "/live", LIMIT);
        machine.wait_for_unit(UNIT, "ActiveState", "active", LIMIT);
        machine.wait_for_unit(RETRY, "ActiveState", "inactive", LIMIT);
        assert_eq!(machine.must_sh("systemctl is-system-running || true"), "running");
        // Each of its failed hooks was a restart.
        let status = wait_for_status(&machine, UNIT, "serving; 5 restarts, last: hopeless.ini:6: ");
        assert!(status.ends_with("the disk is away"), "{status}");
    });
}

#[test]
fn a_boot_of_many_vassals_of_which_some_fail_takes_no_longer_than_the_slowest_attempt() {
    on_each_suite(|suite| {
        let vassal = |number: usize| {
            let text = match number {
                0 => "[vassal]\ncommand = sleep infinity\n[uwsgi]\nexec-as-user = sleep 6; exit 3\n",
                1..BAD => "[vassal]\ncommand = sleep infinity\n[uwsgi]\nexec-as-user = exit 3\n",
                _ => "[vassal]\ncommand = sleep infinity\n",
            };
            (format!("many{number}"), format!("{text}[uwsgi]\nuid = user002\n"))
        };
        let vassals: Vec<_> = (0..ALL).map(vassal).collect();
        let vassals: Vec<_> = vassals.iter().map(|(name, text)| (&**name, &**text)).collect();
        let machine = boots(suite, &vassals);
        let count = |state: &str| {
            let state = format!("--state={state}");
            let units = machine.must(&["systemctl", "list-units", "--no-legend", &state, "vassal@*"]);
            units.lines().count()
        };
        machine.wait_for("all but the failing ones to run", LIMIT, || {
            match count("active") {
                running if running == ALL - BAD => Ok(()),
                running => Err(running.to_string()),
            }
        });
        // The slow one is tried once before the boot goes on without it.
        assert!(
            machine.booted_in() < Duration::from_secs(25),
            "{:?}",
            machine.booted_in()
        );
        machine.wait_for("failed vassals", LIMIT, || match count("failed") {
            0 => Err(String::from("none")),
            _ => Ok(()),
        });
        let begun = Instant::now();
        machine.must(&["systemctl", "stop", "vassals.target", "vassal.slice"]);
        println!(
            "{suite}: booted in {:?}, stopped in {:?}",
            machine.booted_in(),
            begun.elapsed()
        );
        let left = machine
            .must_sh("systemctl list-units --no-legend --state=active,activating,deactivating 'vassal*@*'");
        assert_eq!(left, "");
    });
}

#[test]
fn what_is_mended_or_removed_during_a_pause_counts_at_its_end() {
    on_each_suite(|suite| {
        let machine = boots(suite, &[]);
        // In the pause that the unit itself makes.
        machine.write(FILE, hopeless(), 0o644, Owner::ROOT);
        assert!(!machine.run(&["systemctl", "start", UNIT]).succeeded());
        wait_for_status(&machine, UNIT, "waiting 2 s before attempt 4; last: ");
        machine.write(FILE, GOOD, 0o644, Owner::ROOT);
        machine.poll_http(PORT, "/live", LIMIT);
        assert_eq!(machine.unit(UNIT, "NRestarts"), "3");
        machine.must(&["systemctl", "stop", UNIT]);
        // And removed: that attempt fails, and there is no other.
        machine.write(FILE, hopeless(), 0o644, Owner::ROOT);
        assert!(!machine.run(&["systemctl", "start", UNIT]).succeeded());
        wait_for_status(&machine, UNIT, "waiting 2 s before attempt 4; last: ");
        machine.must(&["rm", FILE]);
        wait_for_status(&machine, UNIT, "it has no file (the journal says why)");
        machine.wait_for_unit(UNIT, "ActiveState", "failed", LIMIT);
        assert_eq!(machine.unit(UNIT, "ExecMainStatus"), "78");
    });
}

#[test]
fn a_failed_vassal_that_is_started_by_hand_is_tried_at_once_and_begins_afresh() {
    on_each_suite(|suite| {
        let machine = failed(suite);
        for command in ["start", "restart"] {
            wait_for_status(&machine, UNIT, "waiting 8 s before attempt 6; last: ");
            let before = failures(&machine, UNIT);
            assert!(
                !machine.run(&["systemctl", command, UNIT]).succeeded(),
                "{suite}: {command}"
            );
            wait_for_status(&machine, UNIT, "waiting 2 s before attempt 4; last: ");
            assert_eq!(
                failures(&machine, UNIT),
                before + 3,
                "{command}: {}",
                machine.journal(UNIT)
            );
            // The one that waited is gone: the next comes after the pause of the new series.
            wait_for_status(&machine, UNIT, "waiting 4 s before attempt 5; last: ");
            assert_eq!(
                failures(&machine, UNIT),
                before + 4,
                "{command}: {}",
                machine.journal(UNIT)
            );
            machine.wait_for_unit(RETRY, "ActiveState", "active", LIMIT);
        }
    });
}
