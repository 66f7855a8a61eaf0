//! Nothing is lost when the emperor, the bus or systemd is not there for a while.

use std::time::Duration;

use vassal_tests::{Machine, Owner, Pid, Signal, on_each_suite};

use crate::scene::{
    EMPEROR, LIMIT, SLEEPER, VASSALS, invocation, machine, path, put, running, unit, wait_gone, wait_on,
};

/// How long something is away: longer than all that is tried again at once.
const AWAY: Duration = Duration::from_secs(5);

/// How long the bus is gone: until what is tried again is tried seldom.
const MINUTE: Duration = Duration::from_secs(60);
/// How long it may take then until it is tried again, with what follows.
const CAUGHT_UP: Duration = Duration::from_secs(60);

fn main_pid(machine: &Machine) -> Pid {
    let pids = machine.pids_of(EMPEROR, "vassal-emperor");
    *pids
        .first()
        .unwrap_or_else(|| panic!("no emperor\n{}", machine.state()))
}

/// Changes of every kind.
fn change(machine: &Machine) {
    put(machine, "new", SLEEPER);
    put(machine, "changed", &format!("{SLEEPER}; changed\n"));
    machine.must(&["rm", &path("gone")]);
}

fn begin(machine: &Machine) -> String {
    for name in ["changed", "gone", "same"] {
        put(machine, name, SLEEPER);
        wait_on(machine, name);
    }
    invocation(machine, "changed")
}

fn wait_done(machine: &Machine, before: &str) {
    wait_on(machine, "new");
    wait_gone(machine, "gone");
    machine.wait_for("a restart of 'changed'", LIMIT, || {
        let now = invocation(machine, "changed");
        if now != before && !now.is_empty() {
            Ok(())
        } else {
            Err(now)
        }
    });
    wait_on(machine, "changed");
    let all = [
        "vassal@changed.service",
        "vassal@new.service",
        "vassal@same.service",
    ];
    assert_eq!(running(machine), all, "{}", machine.suite());
}

#[test]
fn a_bus_that_is_gone_for_a_while_is_caught_up_with() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let before = begin(&machine);
        machine.must(&["systemctl", "stop", "dbus.socket", "dbus.service"]);
        change(&machine);
        std::thread::sleep(MINUTE);
        assert_eq!(machine.unit(EMPEROR, "ActiveState"), "active", "{suite}");
        machine.must(&["systemctl", "start", "dbus.socket", "dbus.service"]);
        machine.wait_for_unit(&unit("new"), "ActiveState", "active", CAUGHT_UP);
        wait_done(&machine, &before);
    });
}

#[test]
fn a_bus_that_stands_still_is_waited_for() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let before = begin(&machine);
        let bus = machine.pids_of("dbus.service", "dbus-daemon");
        bus.iter()
            .for_each(|pid| assert!(machine.kill(*pid, Signal::SIGSTOP)));
        change(&machine);
        std::thread::sleep(AWAY);
        bus.iter()
            .for_each(|pid| assert!(machine.kill(*pid, Signal::SIGCONT)));
        wait_done(&machine, &before);
    });
}

#[test]
fn a_systemd_that_stands_still_or_is_executed_again_is_caught_up_with() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let before = begin(&machine);
        assert!(machine.kill(machine.leader(), Signal::SIGSTOP));
        change(&machine);
        std::thread::sleep(AWAY);
        assert!(machine.kill(machine.leader(), Signal::SIGCONT));
        wait_done(&machine, &before);
        let script = format!(
            "for n in $(seq 1 30); do cp {} {VASSALS}/m$n.ini; [ $((n % 10)) = 5 ] && systemctl daemon-reexec; done; :",
            path("same")
        );
        machine.must_sh(&script);
        for number in 1..=30 {
            wait_on(&machine, &format!("m{number}"));
        }
        machine.must_sh(&format!("rm {VASSALS}/m*.ini; systemctl daemon-reexec"));
        for number in 1..=30 {
            wait_gone(&machine, &format!("m{number}"));
        }
    });
}

/// Has systemd lose its place on the bus, which it does not look for again by itself.
fn leave_the_bus(machine: &Machine) {
    machine.must(&["perl", "-e", include_str!("leave_the_bus.pl")]);
}

fn is_on_the_bus(machine: &Machine) -> bool {
    let bus = "org.freedesktop.DBus";
    let name = "org.freedesktop.systemd1";
    let owner = [
        "busctl",
        "call",
        bus,
        "/org/freedesktop/DBus",
        bus,
        "NameHasOwner",
        "s",
        name,
    ];
    machine.must(&owner).trim() == "b true"
}

#[test]
fn a_systemd_that_has_left_the_bus_is_called_back() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let before = begin(&machine);
        leave_the_bus(&machine);
        machine.wait_for("the end of systemd's name", LIMIT, || {
            match is_on_the_bus(&machine) {
                true => Err("it has one"),
                false => Ok(()),
            }
        });
        change(&machine);
        wait_done(&machine, &before);
        assert!(is_on_the_bus(&machine), "{suite}");
    });
}

#[test]
fn a_systemd_that_leaves_the_bus_with_orders_in_hand_is_given_them_again_and_few_lines_say_so() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let before = begin(&machine);
        machine.must_sh(&format!(
            "for n in $(seq 1 100); do cp {} {VASSALS}/m$n.ini; done",
            path("same")
        ));
        for number in 1..=100 {
            wait_on(&machine, &format!("m{number}"));
        }
        change(&machine);
        machine.must_sh(&format!("rm {VASSALS}/m*.ini"));
        machine.wait_for("some that have stopped", LIMIT, || {
            match running(&machine).len() {
                few if few < 100 => Ok(()),
                all => Err(all),
            }
        });
        leave_the_bus(&machine);
        for number in 1..=100 {
            wait_gone(&machine, &format!("m{number}"));
        }
        wait_done(&machine, &before);
        let told = machine.must(&[
            "journalctl",
            "--unit",
            EMPEROR,
            "--output=cat",
            "--priority=warning",
        ]);
        assert!(told.lines().count() <= 10, "{suite}: {told}");
    });
}

/// More than there are new until systemd reads its units.
const MOST: u32 = 500;
/// Is there then.
const RELOADS: &str = "/run/reloads";
/// As long as a daemon-reload with thousands of units takes.
const SLOW_GENERATOR: &str = "#!/bin/sh\ntouch /run/reloads; sleep 2\n";

#[test]
fn what_is_new_in_a_turn_whose_daemon_reload_fails_is_started_by_the_next() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let before = begin(&machine);
        // The target wants 'gone' now, so a daemon-reload follows its removal.
        machine.must(&["systemctl", "daemon-reload"]);
        machine.write(
            "/etc/systemd/system-generators/slow",
            SLOW_GENERATOR,
            0o755,
            Owner::ROOT,
        );
        // Some of them come in the turn that removes what is left of 'gone'.
        let script = format!(
            "cd {VASSALS}; mkdir .m; for n in $(seq 1 {MOST}); do cp same.ini .m/m$n.ini; done; rm gone.ini
             perl -e 'for (1..{MOST}) {{
                 rename \".m/m$_.ini\", \"m$_.ini\"; select undef, undef, undef, 0.01;
                 if (-e \"{RELOADS}\") {{ print; exit }}
             }}'"
        );
        let many: u32 = machine.must_sh(&script).parse().expect("a daemon-reload");
        leave_the_bus(&machine);
        put(&machine, "new", SLEEPER);
        put(&machine, "changed", &format!("{SLEEPER}; changed\n"));
        for number in 1..=many {
            wait_on(&machine, &format!("m{number}"));
        }
        machine.must_sh(&format!("rm {VASSALS}/m*.ini"));
        for number in 1..=many {
            wait_gone(&machine, &format!("m{number}"));
        }
        wait_done(&machine, &before);
    });
}

#[test]
fn a_killed_emperor_is_caught_up_with_and_its_vassals_do_not_notice() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let before = begin(&machine);
        let same = invocation(&machine, "same");
        assert!(machine.kill(main_pid(&machine), Signal::SIGKILL));
        change(&machine);
        wait_done(&machine, &before);
        assert_eq!(invocation(&machine, "same"), same, "{suite}");
    });
}

#[test]
fn more_changes_than_the_kernel_keeps_are_all_seen() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let before = begin(&machine);
        let emperor = main_pid(&machine);
        assert!(machine.kill(emperor, Signal::SIGSTOP));
        // Two names in turn: equal events that follow each other are one.
        let script = format!(
            "cd {VASSALS}; perl -e 'for (1..40000) {{ my $n = \"x\" . ($_ % 2) . \".ini\"; open(F, \">\", $n); close F; unlink $n }}'"
        );
        machine.must_sh(&script);
        change(&machine);
        assert!(machine.kill(emperor, Signal::SIGCONT));
        wait_done(&machine, &before);
        assert_eq!(machine.unit(&unit("x0"), "ActiveState"), "inactive", "{suite}");
    });
}
