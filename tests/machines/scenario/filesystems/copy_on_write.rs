//! The copy-on-write root with unionfs-fuse, as the tutorial has it: two tenants on one base. Bookworm's, as Debian 13 has none.

use std::path::Path;
use std::time::{Duration, Instant};

use vassal_tests::{Machine, Owner, Signal, Suite, seed};

use crate::event::wait_for_verdict;
use crate::vassals::{SECOND, UNIT, copy_on_write_machine, drop_in, get, mounts_on, uwsgi, wait_restarted};

/// uWSGI takes a second to bury its worker; nothing else takes long.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// The suites that have unionfs-fuse.
fn suites() -> impl Iterator<Item = Suite> {
    Suite::all().into_iter().filter(|suite| *suite == Suite::Bookworm)
}

/// The text of user001's vassal turned into user002's.
pub fn for_second(text: &str) -> String {
    text.replace("user001", "user002").replace("9090", "9091")
}

/// Starts two tenants with the same text but for user and port.
pub fn start_both(machine: &Machine, text: &str) {
    machine.write("/etc/uwsgi/vassals/user001.ini", text, 0o644, Owner::ROOT);
    drop_in(machine, "user002", &for_second(text));
    machine.must(&["systemctl", "start", UNIT, SECOND]);
}

/// Demands that each tenant's writes are in his own directory, seen by nobody else, and the base is what it was.
pub fn assert_writes_are_the_tenants_own(machine: &Machine) {
    for (port, user, other) in [(9090, "user001", "user002"), (9091, "user002", "user001")] {
        let path = format!("/home/{user}/proof");
        assert_eq!(
            get(machine, port, &format!("/write?{path}")),
            format!("wrote {path}\n")
        );
        assert_eq!(get(machine, port, &format!("/read?{path}")), "written by base\n");
        let [own, others] = [user, other].map(|tenant| format!("/ns/cow/{tenant}{path}"));
        assert_eq!(machine.read_text(own), "written by base\n");
        assert!(!machine.run(&["test", "-e", &others]).succeeded(), "{others}");
    }
    assert_eq!(machine.http(9091, "/read?/home/user001/proof").unwrap().0, 500);
    assert_eq!(machine.base_changes(), Vec::<&Path>::new());
}

/// Demands that an app has a root, proc and dev of its own and nothing of the old root.
pub fn assert_is_jailed(machine: &Machine, port: u16) {
    assert_eq!(get(machine, port, "/list?/.old_root"), "");
    let mounts = get(machine, port, "/mounts");
    assert!(!mounts.contains(".old_root"), "{mounts}");
    let points: Vec<_> = mounts.lines().filter_map(|line| line.split(' ').nth(4)).collect();
    assert!(
        ["/", "/proc", "/dev"].iter().all(|point| points.contains(point)),
        "{mounts}"
    );
    assert!(get(machine, port, "/proc").starts_with("1\n"));
    assert_eq!(
        machine.http(port, "/list?/proc/1/fd").unwrap().0,
        500,
        "what the watchdog holds is of the host"
    );
    assert!(!get(machine, port, "/list?/").contains("ufs"), "the host's root");
}

#[test]
fn two_tenants_stand_on_one_base_and_write_to_their_own() {
    for suite in suites() {
        let machine = copy_on_write_machine(suite);
        start_both(&machine, seed::COPY_ON_WRITE);
        assert_writes_are_the_tenants_own(&machine);
        machine.must(&["systemctl", "stop", UNIT, SECOND]);
        assert_eq!(machine.base_changes(), Vec::<&Path>::new());
        assert_eq!(
            machine.read_text("/ns/cow/user001/home/user001/proof"),
            "written by base\n"
        );
    }
}

#[test]
fn the_old_root_is_gone_for_the_app() {
    for suite in suites() {
        let machine = copy_on_write_machine(suite);
        drop_in(&machine, "user001", seed::COPY_ON_WRITE);
        machine.must(&["systemctl", "start", UNIT]);
        assert_is_jailed(&machine, 9090);
        assert_eq!(mounts_on(machine.leader(), "/ufs"), Vec::<String>::new());
        let roots = mounts_on(uwsgi(&machine, UNIT), "/");
        assert!(
            roots.iter().any(|line| line.contains(" fuse.unionfs")),
            "{roots:?}"
        );
    }
}

#[test]
fn killing_the_daemon_of_one_tenant_restarts_him_alone() {
    for suite in suites() {
        let machine = copy_on_write_machine(suite);
        start_both(&machine, seed::COPY_ON_WRITE);
        get(&machine, 9090, "/write?/home/user001/proof");
        let before = ["MainPID", "NRestarts"].map(|property| machine.unit(SECOND, property));
        let daemons = machine.pids_of(UNIT, "unionfs-fuse");
        assert!(!daemons.is_empty(), "{}", machine.state());
        assert!(
            daemons
                .iter()
                .all(|daemon| machine.kill(*daemon, Signal::SIGKILL))
        );
        let event = wait_for_verdict(&machine, "dead");
        assert_eq!(
            [event.field("VASSAL"), event.field("VASSAL_MOUNTPOINT")],
            ["user001", "/"]
        );
        machine.wait_for_journal(UNIT, "Failed with result 'watchdog'", crate::LIMIT);
        machine.wait_for_unit(UNIT, "NRestarts", "1", crate::LIMIT);
        machine.wait_for_unit(UNIT, "ActiveState", "active", crate::LIMIT);
        // What was written before is there after the restart.
        assert_eq!(
            get(&machine, 9090, "/read?/home/user001/proof"),
            "written by base\n"
        );
        assert_eq!(
            before,
            ["MainPID", "NRestarts"].map(|property| machine.unit(SECOND, property))
        );
        assert!(get(&machine, 9091, "/").starts_with("hello from base"));
        assert_eq!(machine.base_changes(), Vec::<&Path>::new());
    }
}

#[test]
fn a_tenant_is_stopped_as_fast_as_its_app() {
    for suite in suites() {
        let machine = copy_on_write_machine(suite);
        drop_in(&machine, "user001", seed::COPY_ON_WRITE);
        machine.must(&["systemctl", "start", UNIT]);
        let begun = Instant::now();
        machine.must(&["systemctl", "stop", UNIT]);
        assert!(
            begun.elapsed() < STOP_LIMIT,
            "{:?}\n{}",
            begun.elapsed(),
            machine.journal(UNIT)
        );
        let journal = machine.journal(UNIT);
        assert!(!journal.contains("did not end"), "{journal}");
        assert_eq!(machine.unit(UNIT, "Result"), "success", "{journal}");
    }
}

#[test]
fn a_stopped_daemon_of_the_root_itself_is_hung_and_the_tenant_serves_again() {
    for suite in suites() {
        let machine = copy_on_write_machine(suite);
        drop_in(&machine, "user001", seed::COPY_ON_WRITE);
        machine.must(&["systemctl", "start", UNIT]);
        for daemon in machine.pids_of(UNIT, "unionfs-fuse") {
            assert!(machine.kill(daemon, Signal::SIGSTOP));
        }
        wait_for_verdict(&machine, "hung");
        wait_restarted(&machine, UNIT, 9090, 1);
    }
}
