//! How the attempts of a failed vassal end, and what a stop leaves.

use std::time::Duration;

use vassal_tests::{Machine, Owner, on_each_suite};

use super::{FILE, LIMIT, RETRY, UNIT, boots, failed, failures, hopeless, wait_for_status};

/// Longer than the pause that is under way when the attempts are ended.
const LONGER: Duration = Duration::from_secs(5);

/// Nothing is tried any more, and nothing is left.
fn is_over(machine: &Machine, what: &str) {
    machine.wait_for_unit(RETRY, "ActiveState", "inactive", LIMIT);
    machine.wait_for_unit(UNIT, "ActiveState", "inactive", LIMIT);
    let before = failures(machine, UNIT);
    // What does not happen has no event to wait for.
    std::thread::sleep(LONGER);
    assert_eq!(
        failures(machine, UNIT),
        before,
        "{what}: {}",
        machine.journal(UNIT)
    );
    assert_eq!(machine.unit(UNIT, "ActiveState"), "inactive", "{what}");
    let failed = machine.must(&["systemctl", "list-units", "--failed", "--no-legend", "vassal*"]);
    assert_eq!(failed, "", "{what}");
}

#[test]
fn who_stops_a_failed_vassal_ends_its_attempts() {
    on_each_suite(|suite| {
        let machine = failed(suite);
        for what in [UNIT, "vassals.target", "vassal.slice"] {
            wait_for_status(&machine, UNIT, "waiting 4 s before attempt 5; last: ");
            machine.wait_for_unit(RETRY, "ActiveState", "active", LIMIT);
            machine.must(&["systemctl", "stop", what]);
            is_over(&machine, what);
            // A start is the first of a new series.
            assert!(!machine.run(&["systemctl", "start", UNIT]).succeeded());
            wait_for_status(&machine, UNIT, "waiting 1 s before attempt 3; last: ");
        }
    });
}

#[test]
fn a_failed_vassal_whose_file_is_gone_or_that_is_masked_is_not_tried_again() {
    on_each_suite(|suite| {
        let machine = failed(suite);
        wait_for_status(&machine, UNIT, "waiting 4 s before attempt 5; last: ");
        machine.must(&["rm", FILE]);
        is_over(&machine, "removed");
        let told = machine.journal(RETRY);
        assert!(
            told.contains("the vassal's file is gone; it is not tried again"),
            "{told}"
        );
        machine.write(FILE, hopeless(), 0o644, Owner::ROOT);
        assert!(!machine.run(&["systemctl", "start", UNIT]).succeeded());
        wait_for_status(&machine, UNIT, "waiting 4 s before attempt 5; last: ");
        machine.must(&["systemctl", "mask", UNIT]);
        is_over(&machine, "masked");
    });
}

/// A systemctl by which systemd hears of a stop of the vassal just before it hears that its retry is to be started.
const OVERTAKEN: &str = "#!/bin/sh\n\
    real=/usr/bin/systemctl.real\n\
    case \"$*\" in\n\
    'start --no-block -- vassal-retry@hopeless.service')\n\
        systemd-run --quiet --wait /bin/sh -c \"$real stop --no-block vassal@hopeless; $real $*\" ;;\n\
    *) exec $real \"$@\" ;;\n\
    esac\n";

#[test]
fn a_stop_that_overtakes_the_start_of_the_retry_ends_the_attempts() {
    on_each_suite(|suite| {
        let machine = boots(suite, &[]);
        machine.must(&["mv", "/usr/bin/systemctl", "/usr/bin/systemctl.real"]);
        machine.write("/usr/bin/systemctl", OVERTAKEN, 0o755, Owner::ROOT);
        machine.write(FILE, hopeless(), 0o644, Owner::ROOT);
        machine.must(&["systemctl", "start", "--no-block", UNIT]);
        machine.wait_for_journal(RETRY, "Started", LIMIT);
        let before = failures(&machine, UNIT);
        is_over(&machine, "overtaken");
        assert_eq!(
            failures(&machine, UNIT),
            before,
            "{suite}: {}",
            machine.journal(UNIT)
        );
    });
}

#[test]
fn a_retry_of_a_vassal_that_nobody_knows_any_more_ends() {
    on_each_suite(|suite| {
        let machine = boots(suite, &[]);
        machine.must(&["systemctl", "start", RETRY]);
        machine.wait_for_unit(RETRY, "ActiveState", "inactive", LIMIT);
        assert_eq!(
            machine.unit(RETRY, "NRestarts"),
            "0",
            "{}",
            machine.journal(RETRY)
        );
    });
}

#[test]
fn a_wrong_configuration_is_failed_at_once_and_waits_for_nobody() {
    on_each_suite(|suite| {
        let machine = boots(suite, &[("hopeless", "[uwsgi]\nimmediate-uid = user001\n")]);
        machine.wait_for_unit(UNIT, "ActiveState", "failed", LIMIT);
        assert_eq!(machine.unit(UNIT, "ExecMainStatus"), "78");
        assert_eq!(machine.unit(RETRY, "ActiveState"), "inactive");
    });
}

#[test]
fn a_stop_of_the_slice_returns_when_all_have_stopped_and_says_so() {
    on_each_suite(|suite| {
        // Each takes a second to stop.
        let slow =
            "[uwsgi]\nuid = user002\nexec-as-user-atexit = sleep 1\n[vassal]\ncommand = sleep infinity\n";
        let machine = boots(suite, &[("one", slow), ("two", slow)]);
        let units = ["vassal@one.service", "vassal@two.service"];
        for unit in units {
            machine.wait_for_unit(unit, "ActiveState", "active", LIMIT);
        }
        machine.must(&["systemctl", "stop", "vassals.target", "vassal.slice"]);
        for unit in units {
            assert_eq!(machine.unit(unit, "ActiveState"), "inactive", "{suite}: {unit}");
        }
        machine.must(&["systemctl", "start", "vassals.target"]);
        // One by one, its status stays.
        machine.must(&["systemctl", "stop", units[0]]);
        let status = machine.unit(units[0], "StatusText");
        assert!(status == "stopped" || status.is_empty(), "{suite}: {status}");
        let status = machine.must_sh(&format!("systemctl status {} || true", units[0]));
        assert!(!status.contains("stopping"), "{suite}: {status}");
    });
}
