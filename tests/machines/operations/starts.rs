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

/// Forty that wait for one that hangs.
const WAITING: usize = 40;

fn unit_of(number: usize) -> String {
    format!("vassal@waits{number:02}")
}

/// A property of all that wait, a line each, by one command: they wait for a few seconds only, and a busy machine takes as long for
/// forty commands.
fn of_all(machine: &Machine, property: &str) -> Vec<String> {
    let property = format!("--property={property}");
    let shown = machine.must(&["systemctl", "show", "--value", &property, "vassal@waits*.service"]);
    let lines = shown.lines().filter(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

/// How often the main processes of those that wait have slept, all together.
fn sleeps(machine: &Machine) -> usize {
    let files: Vec<String> = of_all(machine, "MainPID")
        .iter()
        .map(|pid| format!("/proc/{pid}/status"))
        .collect();
    let statuses = machine.must_sh(&format!("cat {}", files.join(" ")));
    let counts: Vec<usize> = statuses
        .lines()
        .filter_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
        .map(|count| count.trim().parse().unwrap())
        .collect();
    assert_eq!(counts.len(), WAITING, "{statuses}");
    counts.iter().sum()
}

/// Waits until `is_so` is true of the property of all that wait.
fn wait_for_all(machine: &Machine, property: &str, is_so: impl Fn(&str) -> bool) {
    machine.wait_for(&format!("{property} of all that wait"), LIMIT, || {
        let found = of_all(machine, property);
        match found.iter().filter(|value| is_so(value)).count() {
            WAITING => Ok(()),
            _ => Err(found.join(", ")),
        }
    });
}

#[test]
fn each_of_many_starts_that_wait_is_woken_by_its_own_clock_and_by_the_one_before_it() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        for number in 0..WAITING {
            let path = format!("/etc/uwsgi/vassals/waits{number:02}.ini");
            machine.write(path, READY, 0o644, Owner::ROOT);
        }
        machine.must(&["systemctl", "daemon-reload"]);
        take_the_place(&machine);
        let units: Vec<String> = (0..WAITING).map(unit_of).collect();
        let command = ["systemctl", "start", "--no-block"].into_iter();
        machine.must(
            &command
                .chain(units.iter().map(String::as_str))
                .collect::<Vec<_>>(),
        );
        wait_for_all(&machine, "MainPID", |pid| pid != "0");
        let before = sleeps(&machine);
        wait_for_all(&machine, "StatusText", |text| text.contains("waiting to start"));
        // Each wakes to say that it waits, and sleeps again; where the others wake with it, each does so for each.
        let since = sleeps(&machine) - before;
        assert!(
            since < WAITING * 8,
            "{suite}: {since} sleeps of {WAITING} processes"
        );
        machine.must(&["systemctl", "kill", "--signal=KILL", "vassal@hangs"]);
        wait_for_all(&machine, "ActiveState", |state| state == "active");
        machine.must(&["systemctl", "stop", "vassal@*"]);
    });
}
