//! What the status line says of runs that have ended.

use vassal_tests::{Machine, Owner, Signal, on_each_suite};

use super::{FILE, GOOD, LIMIT, PORT, UNIT, boots, wait_for_status};

/// Starts the vassal with this text; its status when it has failed twice.
fn status_of(machine: &Machine, text: &str) -> String {
    machine.write(FILE, text, 0o644, Owner::ROOT);
    assert!(!machine.run(&["systemctl", "start", UNIT]).succeeded());
    let status = wait_for_status(machine, UNIT, "waiting 1 s before attempt 3; last: ");
    machine.must(&["systemctl", "stop", UNIT]);
    status
}

#[test]
fn an_apps_last_words_are_in_the_status_line() {
    let command =
        |script: &str| format!("[uwsgi]\nuid = user002\n[vassal]\nready = :9091\ncommand = {script}\n");
    let perl = GOOD.replace("/srv/app/myapp.pl", "/srv/dies.pl");
    let cases = [
        (
            perl,
            "uwsgi exited with 22: the app did not load; the app's last words: cannot reach the database at ",
        ),
        (
            command("echo first; echo ImportError: no module named x; exit 1"),
            "exited with 1 before it served; the app's last words: ImportError: no module named x",
        ),
        // What a tenant writes stays one line of his.
        (
            command("printf 'a\\033[31mb\\n' >&2; exit 1"),
            "the app's last words: a\\x1b[31mb",
        ),
        (
            command("head -c 5000 /dev/zero | base64 -w 0; exit 1"),
            "the app's last words: AAA",
        ),
        (
            command("exit 1"),
            "exited with 1 before it served (the reason is in the lines above)",
        ),
    ];
    on_each_suite(|suite| {
        let machine = boots(suite, &[]);
        machine.write(
            "/srv/dies.pl",
            "die 'cannot reach the database';\n",
            0o644,
            Owner::ROOT,
        );
        for (text, expected) in &cases {
            let status = status_of(&machine, text);
            assert!(
                status.contains(expected),
                "{suite}: {text}\n{status}\n{}",
                machine.journal(UNIT)
            );
            assert!(status.len() < 500, "{suite}: {status}");
        }
    });
}

#[test]
fn every_restart_is_counted_with_its_reason_and_one_by_hand_is_none() {
    on_each_suite(|suite| {
        let machine = boots(suite, &[]);
        // Its hook fails twice, and then no more.
        machine.must_sh("mkdir -m 777 /srv/count");
        let hook = "exec-as-user = mkdir /srv/count/a || mkdir /srv/count/b && exit 3; exit 0\n";
        machine.write(FILE, format!("{GOOD}{hook}"), 0o644, Owner::ROOT);
        assert!(!machine.run(&["systemctl", "start", UNIT]).succeeded());
        wait_for_status(
            &machine,
            UNIT,
            "serving; 2 restarts, last: hopeless.ini:6: as-user hook: it failed",
        );
        // Killed without a word.
        let main = machine.pid_of(UNIT, "vassal-watchdog");
        machine.kill(main, Signal::SIGKILL);
        wait_for_status(&machine, UNIT, "serving; 3 restarts, last: it was killed");
        machine.must(&["systemctl", "restart", UNIT]);
        wait_for_status(&machine, UNIT, "serving; 3 restarts, last: it was killed");
        // By hand, before it serves.
        let slow = format!("{GOOD}exec-as-user = sleep 60\n");
        machine.write(FILE, slow, 0o644, Owner::ROOT);
        machine.must(&["systemctl", "restart", "--no-block", UNIT]);
        machine.wait_for("the hook", LIMIT, || {
            match machine.pids_of(UNIT, "sleep").as_slice() {
                [] => Err("none"),
                _ => Ok(()),
            }
        });
        machine.write(FILE, GOOD, 0o644, Owner::ROOT);
        machine.must(&["systemctl", "restart", UNIT]);
        wait_for_status(&machine, UNIT, "serving; 3 restarts, last: it was killed");
    });
}

#[test]
fn a_vassal_that_never_serves_is_failed_when_its_time_is_up() {
    on_each_suite(|suite| {
        let machine = boots(suite, &[]);
        machine.must_sh(
            "mkdir /etc/systemd/system/vassal@.service.d; \
             printf '[Service]\nTimeoutStartSec=2s\n' >/etc/systemd/system/vassal@.service.d/short.conf; \
             systemctl daemon-reload",
        );
        let text = "[uwsgi]\nuid = user002\n[vassal]\nready = :9091\ncommand = sleep infinity\n";
        machine.write(FILE, text, 0o644, Owner::ROOT);
        assert!(!machine.run(&["systemctl", "start", UNIT]).succeeded());
        let status = wait_for_status(&machine, UNIT, "waiting 2 s before attempt 4; last: ");
        assert!(status.ends_with("or did not serve in time"), "{suite}: {status}");
        machine.wait_for_unit(UNIT, "ActiveState", "failed", LIMIT);
    });
}

#[test]
fn a_reload_works_although_the_file_says_exit_on_reload() {
    on_each_suite(|suite| {
        let machine = boots(suite, &[("hopeless", &format!("{GOOD}exit-on-reload = true\n"))]);
        machine.poll_http(PORT, "/live", LIMIT);
        machine.wait_for_unit(UNIT, "ActiveState", "active", LIMIT);
        let main = machine.unit(UNIT, "MainPID");
        machine.must(&["systemctl", "reload", UNIT]);
        machine.poll_http(PORT, "/live", LIMIT);
        assert_eq!(machine.unit(UNIT, "MainPID"), main, "{suite}");
        assert_eq!(machine.unit(UNIT, "NRestarts"), "0", "{suite}");
    });
}
