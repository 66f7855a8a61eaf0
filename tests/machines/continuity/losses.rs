//! Ends that nobody can be ready for: the archive is the old one or the new one, and the journal says what happened.

use std::fs;

use vassal_tests::{AS_USER001, Machine, Output, Owner, Scarce, Signal, Suite, Tight};

use crate::LIMIT;
use crate::setup::scene::{UNIT, kill, on_each_suite, wait_restarted};
use crate::setup::writer::{Written, archived, serving, text};

/// A writing vassal with one file committed and one not.
pub fn with_something_to_lose(suite: Suite, text: &str) -> (Machine, Written) {
    let machine = serving(suite, text);
    let written = Written::default();
    assert!(written.write(&machine, "old"), "{}", machine.state());
    machine.must(&["systemctl", "restart", UNIT]);
    machine.poll_http(9090, "/", LIMIT);
    assert!(archived(&machine).contains("old"));
    assert!(written.write(&machine, "new"), "{}", machine.state());
    (machine, written)
}

/// What the next start says of a run that was killed.
const KILLED: &str =
    "user001: the run before this one was killed: what was written to '/app' and not saved is lost";
/// What a verdict says of a filesystem that was written to.
const LOST: &str =
    "user001.ini:11: mountpoint-check: /app dead (ENOTCONN); what was written there and not saved is lost";

/// The warnings and errors of the unit's journal, systemd's too.
pub fn told(machine: &Machine) -> Vec<String> {
    machine.must(&["journalctl", "--sync"]);
    let lines = machine.must(&[
        "journalctl",
        "--quiet",
        "--output=cat",
        "--priority=warning",
        "--unit",
        UNIT,
    ]);
    // That it serves again is a warning after a restart.
    let losses = lines.lines().filter(|line| !line.contains(": serving; "));
    losses.map(str::to_owned).collect()
}

/// Those that came after so many.
pub fn told_since(machine: &Machine, since: usize) -> String {
    told(machine)[since..].join("\n")
}

/// After an end without warning: what was committed is there, the vassal serves again, and the journal has one of these.
pub fn assert_survived(machine: &Machine, written: &Written, since: usize, told: &[&str]) {
    machine.poll_http(9090, "/live", LIMIT);
    let names = archived(machine);
    assert!(names.contains("old"), "{names:?}");
    let lines = told_since(machine, since);
    for piece in told {
        assert!(lines.contains(piece), "no '{piece}' in:\n{lines}");
    }
    assert!(written.write(machine, "after"), "{}", machine.state());
    // An end in order loses nothing, and what was told is told once.
    machine.must(&["systemctl", "restart", UNIT]);
    assert_eq!(told_since(machine, since), lines);
    machine.must(&["systemctl", "stop", UNIT]);
    let names = archived(machine);
    assert!(names.contains("old") && names.contains("after"), "{names:?}");
}

/// Has a vassal with something to lose killed so that nobody of it can tell.
fn assert_killed_and_survived(kill: impl Fn(&Machine) + Sync) {
    on_each_suite(|suite| {
        let (machine, written) = with_something_to_lose(suite, &text());
        let since = told(&machine).len();
        kill(&machine);
        wait_restarted(&machine, 1);
        assert_survived(
            &machine,
            &written,
            since,
            &["Failed with result 'signal'", KILLED],
        );
    });
}

#[test]
fn the_archive_is_whole_after_the_watchdog_was_killed() {
    assert_killed_and_survived(|machine| kill(machine, machine.pid_of(UNIT, "vassal-watchdog")));
}

#[test]
fn the_archive_is_whole_after_everything_was_killed() {
    assert_killed_and_survived(|machine| {
        machine.must(&["systemctl", "kill", "--signal=KILL", UNIT]);
    });
}

#[test]
fn the_archive_is_whole_after_its_daemon_was_killed() {
    on_each_suite(|suite| {
        let (machine, written) = with_something_to_lose(suite, &text());
        let since = told(&machine).len();
        kill(&machine, machine.pid_of(UNIT, "fuse-zip"));
        wait_restarted(&machine, 1);
        let told = told_since(&machine, since);
        assert!(!told.contains(KILLED), "told twice:\n{told}");
        assert_survived(
            &machine,
            &written,
            since,
            &["fuse-zip (process ", "was killed by SIGKILL", LOST],
        );
    });
}

/// Has the app's user write so much into the archive.
pub fn fill(machine: &Machine, megabytes: u32) -> Output {
    let big = format!("head --bytes={megabytes}M /dev/urandom >/app/big");
    let as_user = [&AS_USER001[..], &["sh", "-ec", &big]].concat();
    machine.run_inside(crate::setup::scene::uwsgi(machine), &as_user)
}

#[test]
fn the_archive_is_whole_after_the_oom_killer_took_its_daemon() {
    on_each_suite(|suite| {
        let (machine, written) = with_something_to_lose(suite, &text());
        let since = told(&machine).len();
        let daemon = machine.pid_of(UNIT, "fuse-zip");
        fs::write(format!("/proc/{daemon}/oom_score_adj"), "1000").unwrap();
        let _tight = Tight::around(daemon, Scarce::Memory);
        // It stays in the daemon's memory until the commit.
        assert!(!fill(&machine, 400).succeeded());
        wait_restarted(&machine, 1);
        assert_survived(
            &machine,
            &written,
            since,
            &[
                "fuse-zip",
                "was killed by SIGKILL",
                "/app",
                " and not saved is lost",
            ],
        );
    });
}

#[test]
fn the_loss_is_told_when_systemd_stops_the_vassal_at_the_moment_at_which_its_daemon_dies() {
    on_each_suite(|suite| {
        let (machine, _written) = with_something_to_lose(suite, &text());
        let since = told(&machine).len();
        let watchdog = machine.pid_of(UNIT, "vassal-watchdog");
        assert!(machine.kill(watchdog, Signal::SIGSTOP));
        kill(&machine, machine.pid_of(UNIT, "fuse-zip"));
        machine.must(&["systemctl", "stop", "--no-block", UNIT]);
        // systemd continues what it stops.
        machine.wait_for("end of the unit", LIMIT, || {
            match &*machine.unit(UNIT, "ActiveState") {
                "inactive" => Ok(()),
                state => Err(state.to_owned()),
            }
        });
        let lines = told_since(&machine, since);
        let lost = "fuse-zip was killed by SIGKILL: what was written to '/app' and not saved is lost";
        assert!(lines.contains(lost), "{lines}");
        assert!(archived(&machine).contains("old"));
    });
}

#[test]
fn a_start_after_a_kill_that_ended_the_unit_tells_and_a_stop_leaves_nothing_to_tell() {
    on_each_suite(|suite| {
        let (machine, _written) = with_something_to_lose(suite, &text());
        machine.write(
            "/run/systemd/system/vassal@.service.d/no.conf",
            "[Service]\nRestart=no\n",
            0o644,
            Owner::ROOT,
        );
        machine.must(&["systemctl", "daemon-reload"]);
        let since = told(&machine).len();
        machine.must(&["systemctl", "kill", "--signal=KILL", UNIT]);
        machine.wait_for("end of the unit", LIMIT, || {
            match &*machine.unit(UNIT, "ActiveState") {
                "failed" => Ok(()),
                state => Err(state.to_owned()),
            }
        });
        machine.must(&["systemctl", "start", UNIT]);
        let lines = told_since(&machine, since);
        assert!(lines.contains("Failed with result 'signal'"), "{lines}");
        assert!(lines.contains(KILLED), "{lines}");
        let since = told(&machine).len();
        machine.must(&["systemctl", "stop", UNIT]);
        machine.must(&["systemctl", "start", UNIT]);
        let lines = told_since(&machine, since);
        assert!(!lines.contains(KILLED), "{lines}");
    });
}

#[test]
fn the_end_of_a_daemon_that_nobody_checks_is_in_the_journal() {
    on_each_suite(|suite| {
        let unchecked = text().replace("mountpoint-check = /app\n", "");
        let (machine, _written) = with_something_to_lose(suite, &unchecked);
        let since = told(&machine).len();
        kill(&machine, machine.pid_of(UNIT, "fuse-zip"));
        machine.wait_for("word of the daemon's end", LIMIT, || {
            let lines = told_since(&machine, since);
            let lost = "; if it served '/app', what was written there and not saved is lost";
            if lines.contains("fuse-zip (process ") && lines.contains(lost) {
                Ok(())
            } else {
                Err(lines)
            }
        });
        assert!(archived(&machine).contains("old"));
    });
}
