//! What the watchdog keeps of root's capabilities, and that its work needs no more.

use std::collections::BTreeMap;
use std::fs;

use vassal_tests::{Machine, Pid, Signal, on_each_suite, seed};

use super::scene::{LIMIT, machine, put, start, tenant};

/// DAC_OVERRIDE, KILL, SETGID, SETUID, SYS_PTRACE, SYS_ADMIN.
const NEEDED: &str = "00000000002800e2";
const NONE: &str = "0000000000000000";

fn main_process(machine: &Machine, unit: &str) -> Pid {
    machine.pid_of(unit, "vassal-watchdog")
}

fn capabilities(pid: Pid) -> BTreeMap<String, String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let lines = status.lines().filter(|line| line.starts_with("Cap"));
    let pairs = lines.filter_map(|line| line.split_once(":\t"));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_watchdog_has_six_capabilities_and_commits_and_unmounts_with_them() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let unit = start(&machine, "user001", seed::ZIP_ATEXIT);
        machine.poll_http(9090, "/", LIMIT);
        let watchdog = main_process(&machine, &unit);
        let seen = capabilities(watchdog);
        for set in ["CapPrm", "CapEff", "CapBnd"] {
            assert_eq!(seen[set], NEEDED, "{set}: {seen:?}");
        }
        for set in ["CapInh", "CapAmb"] {
            assert_eq!(seen[set], NONE, "{set}: {seen:?}");
        }
        // fusermount, set-user-id root, is what the as-user-atexit hook runs from it.
        machine.must(&["systemctl", "stop", &unit]);
        assert_eq!(machine.unit(&unit, "Result"), "success");
        let journal = machine.journal(&unit);
        assert!(!journal.contains("ignoring"), "{journal}");
        assert!(!journal.contains("fusermount:"), "{journal}");

        // Hooks at the end of a vassal that stays root keep what root had at its start.
        let hooks = "[uwsgi]\nexec-as-user-atexit = grep CapBnd /proc/self/status >/srv/seen/atexit; \
                     touch /srv/seen/owned; chown user001 /srv/seen/owned\n[vassal]\ncommand = sleep infinity\n";
        let unit = start(&machine, "root", hooks);
        let seen = capabilities(main_process(&machine, &unit));
        assert_eq!((&*seen["CapEff"], &*seen["CapPrm"]), (NEEDED, NEEDED), "{seen:?}");
        machine.must(&["systemctl", "stop", &unit]);
        assert_eq!(
            machine.must(&["stat", "--format=%U", "/srv/seen/owned"]).trim(),
            "user001"
        );
    });
}

#[test]
fn an_app_of_another_user_is_judged_stopped_and_killed_with_these_capabilities() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        // Root, who may not look into the mount, is no owner of it; the abort of its connection is user001's file.
        let unit = put(&machine, "user001", seed::ZIP_WATCHED);
        machine.must(&["systemctl", "start", &unit]);
        machine.poll_http(9090, "/", LIMIT);
        let daemon = machine.pid_of(&unit, "fuse-zip");
        assert!(machine.kill(daemon, Signal::SIGSTOP));
        machine.wait_for_journal(&unit, "/app hung", LIMIT);
        machine.wait_for_unit(&unit, "NRestarts", "1", LIMIT);
        machine.wait_for_unit(&unit, "ActiveState", "active", LIMIT);
        machine.poll_http(9090, "/", LIMIT);
        // An app that ignores its stop is killed.
        let stubborn = "exec perl -e '$SIG{TERM} = q(IGNORE); sleep 1000'\nstop-timeout = 500ms";
        let unit = start(&machine, "stubborn", &tenant(stubborn));
        machine.must(&["systemctl", "stop", &unit]);
        assert_eq!(machine.unit_pids(&unit), Vec::new());
    });
}
