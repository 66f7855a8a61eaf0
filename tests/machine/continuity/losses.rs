//! Ends that nobody can be ready for: the archive is the old one or the new one, and the journal says what happened.

use std::path::PathBuf;

use vassal_tests::{Machine, Pid, Suite};

use crate::LIMIT;
use crate::scene::{UNIT, kill, on_each_suite, wait_restarted};
use crate::writer::{ARCHIVE, Written, archived, serving, text};

/// A writing vassal with one file committed and one not.
fn with_something_to_lose(suite: Suite, text: &str) -> (Machine, Written) {
    let machine = serving(suite, text);
    let written = Written::default();
    assert!(written.write(&machine, "old"), "{}", machine.state());
    machine.must(&["systemctl", "restart", UNIT]);
    machine.poll_http(9090, "/", LIMIT);
    assert!(archived(&machine).contains("old"));
    assert!(written.write(&machine, "new"), "{}", machine.state());
    (machine, written)
}

/// The warnings and errors of the unit's journal, systemd's too.
fn told(machine: &Machine) -> Vec<String> {
    machine.must(&["journalctl", "--sync"]);
    let lines = machine.must(&[
        "journalctl",
        "--quiet",
        "--output=cat",
        "--priority=warning",
        "--unit",
        UNIT,
    ]);
    lines.lines().map(str::to_owned).collect()
}

/// Those that came after so many.
fn told_since(machine: &Machine, since: usize) -> String {
    told(machine)[since..].join("\n")
}

/// After an end without warning: what was committed is there, the vassal serves again, and the journal has one of these.
fn assert_survived(machine: &Machine, written: &Written, since: usize, told: &[&str]) {
    machine.poll_http(9090, "/live", LIMIT);
    let names = archived(machine);
    assert!(names.contains("old"), "{names:?}");
    let lines = told_since(machine, since);
    for piece in told {
        assert!(lines.contains(piece), "no '{piece}' in:\n{lines}");
    }
    assert!(written.write(machine, "after"), "{}", machine.state());
    machine.must(&["systemctl", "stop", UNIT]);
    let names = archived(machine);
    assert!(names.contains("old") && names.contains("after"), "{names:?}");
}

#[test]
fn the_archive_is_whole_after_the_watchdog_was_killed() {
    on_each_suite(|suite| {
        let (machine, written) = with_something_to_lose(suite, &text());
        let since = told(&machine).len();
        kill(&machine, machine.pid_of(UNIT, "vassal-watchdog"));
        wait_restarted(&machine, 1);
        assert_survived(&machine, &written, since, &["Failed with result 'signal'"]);
    });
}

#[test]
fn the_archive_is_whole_after_everything_was_killed() {
    on_each_suite(|suite| {
        let (machine, written) = with_something_to_lose(suite, &text());
        let since = told(&machine).len();
        machine.must(&["systemctl", "kill", "--signal=KILL", UNIT]);
        wait_restarted(&machine, 1);
        assert_survived(&machine, &written, since, &["Failed with result 'signal'"]);
    });
}

#[test]
fn the_archive_is_whole_after_its_daemon_was_killed() {
    on_each_suite(|suite| {
        let (machine, written) = with_something_to_lose(suite, &text());
        let since = told(&machine).len();
        kill(&machine, machine.pid_of(UNIT, "fuse-zip"));
        wait_restarted(&machine, 1);
        let told = ["user001.ini:11: mountpoint-check: /app dead (ENOTCONN)"];
        assert_survived(&machine, &written, since, &told);
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
            if lines.contains("fuse-zip") {
                Ok(())
            } else {
                Err(lines)
            }
        });
        assert!(archived(&machine).contains("old"));
    });
}

/// Beginning with a stop, kills `victims` as soon as the daemon has begun to write the new archive beside the old one.
fn killed_while_committing(suite: Suite, victims: fn(&Machine) -> Vec<Pid>) {
    let (machine, written) = with_something_to_lose(suite, &text());
    let big = "head --bytes=100000000 /dev/urandom >/app/big";
    let as_user = [
        "setpriv",
        "--reuid=user001",
        "--regid=user001",
        "--init-groups",
        "sh",
        "-ec",
        big,
    ];
    let filled = machine.run_inside(crate::scene::uwsgi(&machine), &as_user);
    assert!(filled.succeeded(), "{filled}");
    let victims = victims(&machine);
    let since = told(&machine).len();
    machine.must(&["systemctl", "stop", "--no-block", UNIT]);
    let directory = PathBuf::from(format!("/proc/{}/root/srv/user001", machine.leader()));
    machine.wait_for(
        "second file beside the archive",
        LIMIT,
        || match std::fs::read_dir(&directory).unwrap().count() {
            1 => Err("none"),
            _ => Ok(()),
        },
    );
    for pid in victims {
        machine.kill(pid, vassal_tests::Signal::SIGKILL);
    }
    machine.wait_for("end of the unit", LIMIT, || {
        let state = machine.unit(UNIT, "ActiveState");
        if ["inactive", "failed"].contains(&&*state) {
            Ok(())
        } else {
            Err(state)
        }
    });
    let names = archived(&machine);
    let is_new = machine
        .must(&["python3", "-m", "zipfile", "--list", ARCHIVE])
        .contains("big");
    let told = told_since(&machine, since);
    println!("{suite}: new: {is_new}; told: {told}");
    assert!(names.contains("old"), "{names:?}");
    assert!(
        is_new || !told.is_empty(),
        "a loss that nobody tells\n{}",
        machine.journal(UNIT)
    );
    machine.must(&["systemctl", "start", UNIT]);
    assert!(written.write(&machine, "after"), "{}", machine.state());
}

#[test]
fn the_archive_is_whole_after_its_daemon_was_killed_while_it_committed() {
    on_each_suite(|suite| killed_while_committing(suite, |machine| vec![machine.pid_of(UNIT, "fuse-zip")]));
}

#[test]
fn the_archive_is_whole_after_everything_was_killed_during_the_commit() {
    on_each_suite(|suite| killed_while_committing(suite, |machine| machine.unit_pids(UNIT)));
}
