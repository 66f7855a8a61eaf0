//! Daemons that save what was written, which takes time: they are waited for, and if they are killed meanwhile, that is told.

use std::path::PathBuf;

use vassal_tests::{Machine, Pid, Signal, Suite};

use crate::LIMIT;
use crate::losses::{assert_survived, fill, told, told_since, with_something_to_lose};
use crate::setup::scene::{UNIT, on_each_suite, uwsgi, wait_restarted};
use crate::setup::writer::{ARCHIVE, archived, text};

#[test]
fn what_a_daemon_saves_after_somebody_has_unmounted_it_is_waited_for() {
    on_each_suite(|suite| {
        let (machine, written) = with_something_to_lose(suite, &text());
        // It takes time, and far less than is waited on a busy machine.
        assert!(fill(&machine, 30).succeeded());
        let since = told(&machine).len();
        let unmounted = machine.run_inside(uwsgi(&machine), &["umount", "--lazy", "/app"]);
        assert!(unmounted.succeeded(), "{unmounted}");
        wait_restarted(&machine, 1);
        let told = ["user001.ini:11: mountpoint-check: /app gone (unmounted)"];
        assert_survived(&machine, &written, since, &told);
        let names = machine.must(&["python3", "-m", "zipfile", "--list", ARCHIVE]);
        assert!(names.contains("big"), "{names}\n{}", machine.journal(UNIT));
    });
}

#[test]
fn a_stop_waits_for_a_daemon_that_saves_already() {
    on_each_suite(|suite| {
        let unchecked = text().replace("mountpoint-check = /app\n", "");
        let (machine, _written) = with_something_to_lose(suite, &unchecked);
        assert!(fill(&machine, 30).succeeded());
        let unmounted = machine.run_inside(uwsgi(&machine), &["umount", "--lazy", "/app"]);
        assert!(unmounted.succeeded(), "{unmounted}");
        machine.must(&["systemctl", "stop", UNIT]);
        let names = machine.must(&["python3", "-m", "zipfile", "--list", ARCHIVE]);
        assert!(names.contains("big"), "{names}\n{}", machine.journal(UNIT));
    });
}

/// Beginning with a stop, kills `victims` as soon as the daemon has begun to write the new archive beside the old one.
fn killed_while_committing(suite: Suite, victims: fn(&Machine) -> Vec<Pid>) {
    let (machine, written) = with_something_to_lose(suite, &text());
    let filled = fill(&machine, 100);
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
        machine.kill(pid, Signal::SIGKILL);
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
    assert!(names.contains("old"), "{names:?}");
    machine.must(&["systemctl", "start", UNIT]);
    let told = told_since(&machine, since);
    println!("{suite}: new: {is_new}; told: {told}");
    assert!(
        is_new || told.contains("what was written to '/app' and not saved is lost"),
        "a loss that nobody tells\n{}",
        machine.journal(UNIT)
    );
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
