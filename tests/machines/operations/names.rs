//! Names of vassals as people type them.

use std::time::Duration;

use vassal_tests::{Machine, Owner, Suite, fixtures, installed, on_each_suite, seed};

const LIMIT: Duration = Duration::from_secs(20);
const VASSALS: &str = "/etc/uwsgi/vassals";

fn machine(suite: Suite) -> Machine {
    let machine = Machine::boot(suite, &[installed(suite)]);
    fixtures::scenario(&machine);
    machine
}

fn drop_in(machine: &Machine, name: &str, text: &str) {
    machine.write(format!("{VASSALS}/{name}.ini"), text, 0o644, Owner::ROOT);
    machine.must(&["systemctl", "daemon-reload"]);
}

/// Names of files, as they are typed, and the units that come of it.
const NAMES: [(&str, &str); 5] = [
    ("my-app", "vassal@my-app.service"),
    ("my app", r"vassal@my\x20app.service"),
    ("shop.example", "vassal@shop.example.service"),
    ("a@b", "vassal@a@b.service"),
    ("50%off", r"vassal@50\x25off.service"),
];

#[test]
fn a_vassal_is_started_under_its_name_as_it_is_typed_and_shown_under_it() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        for (name, unit) in NAMES {
            drop_in(&machine, name, seed::ZIP);
            machine.must(&["systemctl", "start", &format!("vassal@{name}")]);
            machine.poll_http(9090, "/live", LIMIT);
            assert_eq!(machine.unit(unit, "ActiveState"), "active", "{suite}: {name}");
            assert!(
                machine.unit(unit, "DropInPaths").contains("/50-vassal.conf"),
                "{suite}: {name}"
            );
            let description = machine.unit(unit, "Description");
            assert_eq!(description, format!("uWSGI vassal {name}"), "{suite}");
            let tag = format!("SYSLOG_IDENTIFIER={name}");
            machine.wait_for("line under the vassal's name", LIMIT, || {
                machine.must_sh("journalctl --sync");
                let lines = machine.must(&["journalctl", "--quiet", "--output=cat", &tag]);
                lines
                    .contains("spawned uWSGI worker 1")
                    .then_some(())
                    .ok_or(lines)
            });
            machine.must(&["systemctl", "restart", &format!("vassal@{name}")]);
            machine.must(&["systemctl", "reload", &format!("vassal@{name}")]);
            machine.must(&["systemctl", "stop", &format!("vassal@{name}")]);
            machine.must(&["rm", &format!("{VASSALS}/{name}.ini")]);
        }
    });
}

#[test]
fn what_an_app_says_is_told_by_the_identifier_of_its_file() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let text = format!("{}[Service]\nSyslogIdentifier = shop\n", seed::ZIP);
        drop_in(&machine, "my-app", &text);
        machine.must(&["systemctl", "start", "vassal@my-app"]);
        machine.wait_for("the app's lines", LIMIT, || {
            machine.must_sh("journalctl --sync");
            let all = ["journalctl", "--quiet", "--output=cat", "SYSLOG_IDENTIFIER=shop"];
            let lines = machine.must(&all);
            let is_there = lines.contains("spawned uWSGI worker 1");
            is_there.then_some(()).ok_or(lines)
        });
    });
}

#[test]
fn another_way_to_write_a_units_name_is_refused_with_the_right_one() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        drop_in(&machine, "my-app", seed::ZIP);
        machine.must(&["systemctl", "start", "vassal@my-app"]);
        machine.poll_http(9090, "/live", LIMIT);
        let main = machine.unit("vassal@my-app.service", "MainPID");
        let other = r"vassal@my\x2dapp.service";
        assert!(
            !machine.run(&["systemctl", "start", other]).succeeded(),
            "{suite}"
        );
        let status = machine.status(other);
        assert!(
            status.stdout.contains("use 'vassal@my-app.service'"),
            "{suite}: {status}"
        );
        assert_eq!(machine.unit("vassal@my-app.service", "MainPID"), main, "{suite}");
        machine.must(&["systemctl", "is-active", "vassal@my-app"]);
    });
}

#[test]
fn a_name_that_is_no_vassals_leaves_no_record() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        for name in ["nosuch", r"no\x2dsuch", "..", r"a\x0ab"] {
            let unit = format!("vassal@{name}.service");
            assert!(
                !machine.run(&["systemctl", "start", "--", &unit]).succeeded(),
                "{suite}: {name}"
            );
        }
        assert_eq!(
            machine.must_sh("find /run/vassal -type f -not -name '.*' 2>/dev/null || true"),
            "",
            "{suite}"
        );
        drop_in(&machine, "user001", seed::ZIP);
        machine.must(&["systemctl", "start", "vassal@user001"]);
        // Beside the records there is the file whose bytes are the places for starts.
        let files = "find /run/vassal -type f -not -name '.*' | sort";
        let both = "/run/vassal/health/user001.json\n/run/vassal/user001.3";
        assert_eq!(machine.must_sh(files), both, "{suite}");
        machine.must(&["systemctl", "stop", "vassal@user001"]);
        machine.must(&["rm", &format!("{VASSALS}/user001.ini")]);
        machine.must(&["systemctl", "daemon-reload"]);
        assert_eq!(machine.must_sh(files), "", "{suite}");
    });
}

#[test]
fn a_masked_vassal_is_not_started_with_the_others() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        drop_in(&machine, "user001", seed::ZIP);
        let other = "[uwsgi]\nuid = user002\n[vassal]\ncommand = exec sleep 1000\n";
        drop_in(&machine, "other", other);
        machine.must(&["systemctl", "mask", "vassal@user001"]);
        machine.must(&["systemctl", "daemon-reload"]);
        machine.must(&["systemctl", "start", "vassals.target"]);
        machine.wait_for("start of the other", LIMIT, || {
            let state = machine.unit("vassal@other.service", "ActiveState");
            (state == "active").then_some(()).ok_or(state)
        });
        assert_eq!(
            machine.unit("vassal@user001.service", "ActiveState"),
            "inactive",
            "{suite}"
        );
        machine.must(&["systemctl", "unmask", "vassal@user001"]);
        machine.must(&["systemctl", "start", "vassal@user001"]);
        machine.poll_http(9090, "/live", LIMIT);
        let disable = machine.run(&["systemctl", "disable", "vassal@user001"]);
        println!("{suite}: {disable}");
    });
}
