//! What is watched and how: deadlines, several mountpoints, readers that hang, and what nobody watches.

use std::time::{Duration, SystemTime};

use vassal_tests::{Machine, Owner, Pid, Signal, Suite, fixtures, seed};

use crate::LIMIT;
use crate::event::{events, wait_for_verdict};
use crate::vassals::{UNIT, drop_in, get, machine, serving, wait_restarted};

/// Ends the unit's FUSE daemon that serves an archive, or stops it.
fn signal_daemon(machine: &Machine, archive: &str, signal: Signal) {
    let serves = |pid: &Pid| {
        std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains(archive))
    };
    let daemons: Vec<Pid> = machine
        .pids_of(UNIT, "fuse-zip")
        .into_iter()
        .filter(serves)
        .collect();
    let [daemon] = daemons[..] else {
        panic!("{archive}: {daemons:?}\n{}", machine.state())
    };
    assert!(machine.kill(daemon, signal));
}

#[test]
fn a_deadline_can_be_shorter() {
    const DEADLINE: Duration = Duration::from_millis(900);
    const GRACE: Duration = Duration::from_millis(500);
    let text = seed::ZIP_WATCHED.to_owned() + "\n[vassal]\nmountpoint-deadline = 900ms\n";
    for suite in Suite::all() {
        let machine = serving(suite, &text);
        let begun = SystemTime::now();
        signal_daemon(&machine, "app001.zip", Signal::SIGSTOP);
        let took = wait_for_verdict(&machine, "hung")
            .time()
            .duration_since(begun)
            .unwrap();
        assert!(took <= DEADLINE + GRACE, "{suite}: {took:?}");
        wait_restarted(&machine, UNIT, 9090, 1);
    }
}

#[test]
fn requests_that_hang_in_the_mount_do_not_keep_a_vassal_from_being_restarted() {
    for suite in Suite::all() {
        let machine = serving(suite, seed::ZIP_WATCHED);
        let old = machine.unit_pids(UNIT);
        signal_daemon(&machine, "app001.zip", Signal::SIGSTOP);
        std::thread::scope(|scope| {
            // Its reader sleeps in the kernel, where only the abort of the connection lets SIGKILL reach it.
            let request = scope.spawn(|| machine.http(9090, "/list?/app"));
            wait_for_verdict(&machine, "hung");
            wait_restarted(&machine, UNIT, 9090, 1);
            // Accepted by the old app, or queued and answered by the new one; never left hanging.
            if let Ok(answer) = request.join().unwrap() {
                assert!([200, 500].contains(&answer.0), "{answer:?}");
            }
        });
        machine.wait_for("end of the old processes", LIMIT, || {
            let exists = |pid: &&Pid| std::path::Path::new(&format!("/proc/{pid}")).exists();
            let left: Vec<_> = old.iter().filter(exists).collect();
            if left.is_empty() {
                Ok(())
            } else {
                Err(format!("{left:?}"))
            }
        });
        assert_eq!(get(&machine, 9090, "/live"), "app001\n");
        assert_eq!(machine.fuse_connections().len(), 1);
    }
}

#[test]
fn of_several_mountpoints_the_one_that_died_is_named() {
    let text = seed::ZIP_WATCHED.replace(
        "endif =",
        "exec-as-user = fuse-zip -r /var/www/app002.zip /app2\nendif =",
    ) + "mountpoint-check = /app2\n";
    for suite in Suite::all() {
        let machine = machine(suite);
        fixtures::zip_app(&machine, "/var/www/app002.zip", "app002");
        fixtures::mountpoint(&machine, "/app2", Owner::USER001);
        drop_in(&machine, "user001", &text);
        machine.must(&["systemctl", "start", UNIT]);
        let status = machine.unit(UNIT, "StatusText");
        assert!(
            status.contains("; /app healthy (") && status.contains("; /app2 healthy ("),
            "{status}"
        );
        signal_daemon(&machine, "app002.zip", Signal::SIGKILL);
        let event = wait_for_verdict(&machine, "dead");
        assert_eq!(event.field("VASSAL_MOUNTPOINT"), "/app2");
        assert!(
            event.field("MESSAGE").starts_with("user001.ini:13: "),
            "{}",
            event.field("MESSAGE")
        );
        wait_restarted(&machine, UNIT, 9090, 1);
        assert_eq!(get(&machine, 9090, "/read?/app2/name"), "app002\n");
    }
}

#[test]
fn a_mountpoint_that_nobody_watches_is_nobodys_reason_to_restart() {
    for suite in Suite::all() {
        let machine = serving(suite, seed::ZIP);
        let before = machine.unit(UNIT, "MainPID");
        signal_daemon(&machine, "app001.zip", Signal::SIGKILL);
        machine.wait_for("failure of what reads the mount", LIMIT, || {
            match machine.http(9090, "/live") {
                Ok((500, _)) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        assert!(get(&machine, 9090, "/").starts_with("hello from app001"));
        assert_eq!(machine.unit(UNIT, "MainPID"), before);
        assert_eq!(machine.unit(UNIT, "NRestarts"), "0");
        assert!(events(&machine, "VASSAL_MOUNTPOINT=/app").is_empty());
    }
}

#[test]
fn a_vassal_that_loses_its_mountpoint_again_and_again_comes_back_each_time() {
    const TIMES: u32 = 4;
    for suite in Suite::all() {
        let machine = serving(suite, seed::ZIP_WATCHED);
        for restarts in 1..=TIMES {
            signal_daemon(&machine, "app001.zip", Signal::SIGKILL);
            wait_restarted(&machine, UNIT, 9090, restarts);
        }
        assert_eq!(events(&machine, "VASSAL_VERDICT=dead").len(), TIMES as usize);
        assert_eq!(machine.fuse_connections().len(), 1);
        assert_eq!(machine.pids("fuse-zip").len(), 1);
    }
}
