//! What `systemctl status` and `journalctl` say.

use vassal_tests::{Machine, Signal, Suite, seed};

use crate::LIMIT;
use crate::event::events;
use crate::vassals::{UNIT, assert_refused, drop_in, fails_to_start, get, machine, serving, wait_restarted};

/// The status line of a vassal that watches /app, before what it says of restarts.
const HEALTHY: &str = r"serving; /app healthy \(fuse\.fuse-zip, probed [0-9]+\.[0-9] s ago, [0-9]+ us\); ";

/// Demands that the unit's status line is `HEALTHY` and then `rest`, an extended regular expression.
fn assert_status(machine: &Machine, rest: &str) {
    let pattern = format!("{HEALTHY}{rest}");
    machine.wait_for(&format!("status '{pattern}'"), LIMIT, || {
        let status = machine.unit(UNIT, "StatusText");
        assert_eq!(status.lines().count(), 1, "{status}");
        assert!(status.is_ascii(), "{status}");
        let matched = machine.run(&[
            "sh",
            "-c",
            r#"printf '%s\n' "$0" | grep -Exq -- "$1""#,
            &status,
            &pattern,
        ]);
        if matched.succeeded() { Ok(()) } else { Err(status) }
    });
}

#[test]
fn the_status_line_tells_health_and_restarts_with_the_last_cause() {
    for suite in Suite::all() {
        let machine = serving(suite, seed::ZIP_WATCHED);
        assert_status(&machine, "no restarts");
        assert!(machine.kill(machine.pid_of(UNIT, "fuse-zip"), Signal::SIGKILL));
        wait_restarted(&machine, UNIT, 9090, 1);
        assert_status(&machine, r"1 restart(, last)?: /app dead \(ENOTCONN\)");
        assert!(machine.kill(machine.pid_of(UNIT, "fuse-zip"), Signal::SIGKILL));
        wait_restarted(&machine, UNIT, 9090, 2);
        assert_status(&machine, r"2 restarts, last: /app dead \(ENOTCONN\)");
        assert!(machine.kill(machine.pids_of(UNIT, "uwsgi")[0], Signal::SIGKILL));
        wait_restarted(&machine, UNIT, 9090, 3);
        assert_status(&machine, "3 restarts, last: uwsgi .*(SIGKILL|signal 9).*");
        machine.must(&["systemctl", "stop", UNIT]);
        machine.must(&["systemctl", "start", UNIT]);
        assert_status(&machine, "no restarts");
    }
}

#[test]
fn the_apps_output_is_in_the_journal_of_its_unit() {
    for suite in Suite::all() {
        let machine = serving(suite, seed::ZIP);
        let line = machine.wait_for_journal(UNIT, "spawned uWSGI worker 1", LIMIT);
        assert!(line.contains(" user001["), "{line}");
        get(&machine, 9090, "/live");
        machine.wait_for_journal(UNIT, "GET /live", LIMIT);
    }
}

#[test]
fn a_vassal_that_serves_is_an_event_of_its_own() {
    for suite in Suite::all() {
        let machine = serving(suite, seed::ZIP_WATCHED);
        let found = events(&machine, "MESSAGE_ID=432e5f4d6e814274ae80f8c9e6ea7cdf");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].field("VASSAL"), "user001");
        assert!(
            found[0]
                .field("MESSAGE")
                .starts_with("user001: serving; /app healthy"),
            "{}",
            found[0].field("MESSAGE")
        );
        assert_eq!(found[0].field("_SYSTEMD_UNIT"), UNIT);
    }
}

/// Starts the vassal forty times while the machine is busy; prints how often the unit's status had the reason.
const FAILED_STARTS: &str = "set +e; for i in 1 2 3; do sh -c 'while :; do :; done' >/dev/null 2>&1 & busy=\"$busy $!\"; done; told=0; \
     for i in $(seq 40); do systemctl start vassal@user001 2>/dev/null; journalctl --sync; \
     systemctl status --no-pager --full vassal@user001 | tail -n 6 | grep -q 'unknown hook action' && told=$((told + 1)); \
     systemctl reset-failed vassal@user001; done; kill $busy; echo $told";

#[test]
fn the_reason_of_each_failed_start_is_in_the_units_status_on_a_busy_machine() {
    for suite in Suite::all() {
        let machine = machine(suite);
        drop_in(
            &machine,
            "user001",
            &seed::ZIP.replace("[uwsgi]", "[uwsgi]\nhook-asap = mout:x"),
        );
        assert_eq!(machine.must_sh(FAILED_STARTS).trim(), "40", "{suite}");
    }
}

#[test]
fn a_refused_configuration_is_one_line_with_file_and_line() {
    const CASES: [(&str, &str, &str); 4] = [
        ("uid = user001", "uid = nobody001", "user001.ini:3: "),
        (
            "exec-as-user = fuse-zip -r",
            "hook-as-user = explode:",
            "user001.ini:7: ",
        ),
        (
            "psgi = /app/myapp.pl",
            "mountpoint-check = /nowhere",
            "user001.ini:10: ",
        ),
        ("http-socket = :9090", "[vassal]\ncommand =", "user001.ini:10: "),
    ];
    for suite in Suite::all() {
        let machine = machine(suite);
        for (line, instead, told) in CASES {
            assert!(seed::ZIP.contains(line), "{line}");
            drop_in(&machine, "user001", &seed::ZIP.replace(line, instead));
            let before = told_times(&machine, told);
            let status = fails_to_start(&machine, UNIT);
            assert!(status.stdout.contains(told), "{instead}: {status}");
            assert_refused(&machine, UNIT);
            assert_eq!(
                told_times(&machine, told),
                before + 1,
                "{instead}: {}",
                machine.journal(UNIT)
            );
        }
    }
}

#[test]
fn a_hook_that_fails_is_one_line_with_its_last_words() {
    for suite in Suite::all() {
        let machine = machine(suite);
        drop_in(
            &machine,
            "user001",
            &seed::ZIP.replace("app001.zip", "absent.zip"),
        );
        let start = machine.run(&["systemctl", "start", UNIT]);
        assert!(!start.succeeded(), "{}", machine.state());
        let line = machine.wait_for_journal(UNIT, "user001.ini:7: ", LIMIT);
        assert!(
            line.contains("as-user hook 'fuse-zip -r /var/www/absent.zip /app'"),
            "{line}"
        );
        assert!(
            line.contains("exited with ") && line.contains("absent.zip"),
            "{line}"
        );
        // A passing fault: whoever puts the archive there has a vassal that serves.
        vassal_tests::fixtures::zip_app(&machine, "/var/www/absent.zip", "late");
        machine.poll_http(9090, "/live", LIMIT);
        assert_eq!(get(&machine, 9090, "/live"), "late\n");
    }
}

/// How many lines of the unit's journal contain a text.
fn told_times(machine: &Machine, text: &str) -> usize {
    machine
        .journal(UNIT)
        .lines()
        .filter(|line| line.contains(text))
        .count()
}
