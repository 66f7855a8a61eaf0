//! How many vassals start at the same time.

use std::time::{Duration, Instant};

use vassal_tests::{Machine, Owner, Suite, installed, on_each_suite};

const EMPEROR: &str =
    "[uwsgi]\nemperor = /etc/uwsgi/vassals\nemperor-use-clone = fs,pid\n[vassal]\nconcurrent-starts = 1\n";
/// Its app never says that it is ready.
const NEVER_READY: &str =
    "[uwsgi]\nuid = nobody\ngid = nogroup\n[vassal]\nnotify = true\ncommand = exec sleep infinity\n";
const READY: &str = "[uwsgi]\nuid = nobody\ngid = nogroup\n[vassal]\ncommand = exec sleep infinity\n";
/// What a start counts for, and time for a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

fn machine(suite: Suite) -> Machine {
    let machine = Machine::boot(suite, &[installed(suite)]);
    machine.write("/etc/vassal/emperor.ini", EMPEROR, 0o644, Owner::ROOT);
    for (name, text) in [("hangs", NEVER_READY), ("next", READY), ("last", READY)] {
        let path = format!("/etc/uwsgi/vassals/{name}.ini");
        machine.write(path, text, 0o644, Owner::ROOT);
    }
    machine.must(&["systemctl", "daemon-reload"]);
    machine
}

/// Starts `unit` without waiting for it.
fn begin(machine: &Machine, unit: &str) {
    machine.must(&["systemctl", "start", "--no-block", unit]);
}

/// Starts the vassal that never serves, and waits until it has its place.
fn take_the_place(machine: &Machine) {
    begin(machine, "vassal@hangs");
    wait_for(
        machine,
        "vassal@hangs",
        "StatusText",
        "starting; waiting for sleep",
    );
}

fn wait_for(machine: &Machine, unit: &str, property: &str, wanted: &str) {
    machine.wait_for(&format!("{property} of {unit}"), LIMIT, || {
        let found = machine.unit(unit, property);
        found.contains(wanted).then_some(()).ok_or(found)
    });
}

#[test]
fn starts_beyond_the_limit_wait_and_say_so_and_one_that_hangs_holds_them_up_for_a_while_only() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        take_the_place(&machine);
        let begun = Instant::now();
        begin(&machine, "vassal@next");
        wait_for(&machine, "vassal@next", "StatusText", "waiting to start");
        assert_eq!(machine.unit("vassal@next", "ActiveState"), "activating");
        begin(&machine, "vassal@last");
        wait_for(&machine, "vassal@next", "ActiveState", "active");
        wait_for(&machine, "vassal@next", "StatusText", "serving");
        // The one that serves has left its place; no second turn of waiting.
        wait_for(&machine, "vassal@last", "ActiveState", "active");
        assert!(begun.elapsed() < LIMIT, "{suite}: {:?}", begun.elapsed());
        assert_eq!(machine.unit("vassal@hangs", "ActiveState"), "activating");
        assert_eq!(machine.unit("vassal@next", "NRestarts"), "0");
        machine.must(&["systemctl", "stop", "vassal@*"]);
    });
}

#[test]
fn a_start_that_waits_for_its_place_hears_the_wish_to_stop_and_a_killed_one_leaves_its_place() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        take_the_place(&machine);
        begin(&machine, "vassal@next");
        begin(&machine, "vassal@last");
        wait_for(&machine, "vassal@last", "StatusText", "waiting to start");
        let begun = Instant::now();
        machine.must(&["systemctl", "stop", "vassal@last", "vassal@next"]);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        for unit in ["vassal@last", "vassal@next"] {
            assert_eq!(machine.unit(unit, "Result"), "success", "{suite}: {unit}");
        }
        machine.must(&["systemctl", "kill", "--signal=KILL", "vassal@hangs"]);
        machine.must(&["systemctl", "stop", "vassal@hangs"]);
        let begun = Instant::now();
        machine.must(&["systemctl", "start", "vassal@next"]);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        machine.must(&["systemctl", "stop", "vassal@*"]);
    });
}
