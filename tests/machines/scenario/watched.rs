//! The monitored vassal: each way to lose a mountpoint, and that nobody else notices.

use std::time::{Duration, SystemTime};

use vassal_tests::{Machine, Pid, Signal, Suite, seed};

use crate::event::{Event, wait_for_verdict};
use crate::vassals::{
    SECOND, UNIT, assert_refused, drop_in, fails_to_start, get, machine, mounts_on, second_zip, serving,
    uwsgi, wait_restarted,
};

/// `mountpoint-deadline` unless the vassal sets another.
const DEADLINE: Duration = Duration::from_secs(3);
/// What telling and a busy host may add to it.
const GRACE: Duration = Duration::from_millis(500);

/// Each verdict, what it is because of, and the subject of its entry in the catalog.
const VERDICTS: [(&str, &str, &str); 4] = [
    (
        "dead",
        "/app dead (ENOTCONN)",
        "Mountpoint @VASSAL_MOUNTPOINT@ of vassal @VASSAL@ is dead",
    ),
    (
        "hung",
        "/app hung (no answer within the deadline)",
        "Mountpoint @VASSAL_MOUNTPOINT@ of vassal @VASSAL@ hangs",
    ),
    (
        "gone",
        "/app gone (unmounted)",
        "Nothing is mounted on @VASSAL_MOUNTPOINT@ of vassal @VASSAL@ any more",
    ),
    (
        "replaced",
        "/app replaced (another filesystem is mounted there)",
        "Something else is mounted on @VASSAL_MOUNTPOINT@ of vassal @VASSAL@",
    ),
];

/// The line of `mountpoint-check` in the seed's file.
const CHECK: &str = "user001.ini:11";

/// Two watched vassals, and what is known of them before one loses its mountpoint.
struct Pair {
    machine: Machine,
    old: Vec<Pid>,
    second: [String; 2],
}

impl Pair {
    fn serving(suite: Suite) -> Pair {
        let machine = serving(suite, seed::ZIP_WATCHED);
        let text = second_zip(&machine, seed::ZIP_WATCHED);
        drop_in(&machine, "user002", &text);
        machine.must(&["systemctl", "start", SECOND]);
        assert_eq!(get(&machine, 9091, "/live"), "app002\n");
        let (old, second) = (machine.unit_pids(UNIT), Pair::second(&machine));
        Pair { machine, old, second }
    }

    fn second(machine: &Machine) -> [String; 2] {
        ["MainPID", "NRestarts"].map(|property| machine.unit(SECOND, property))
    }

    /// Demands all that must follow from the loss of user001's mountpoint; gives the event.
    fn assert_recovers(&self, verdict: &str) -> Event {
        let machine = &self.machine;
        let event = wait_for_verdict(machine, verdict);
        wait_restarted(machine, UNIT, 9090, 1);
        assert_eq!(get(machine, 9090, "/live"), "app001\n");
        machine.wait_for_journal(UNIT, "Failed with result 'watchdog'", crate::LIMIT);
        assert_eq!(event.field("VASSAL"), "user001");
        assert_eq!(event.field("VASSAL_MOUNTPOINT"), "/app");
        assert_eq!(event.field("_SYSTEMD_UNIT"), UNIT);
        let is_it = |(word, ..): &&(&str, &str, &str)| *word == verdict;
        let (_, cause, subject) = VERDICTS.iter().find(is_it).unwrap();
        // Of a hang it says what was left unanswered, and what to do if it is none.
        let details = match verdict {
            "hung" => ": statfs; slow, not hung? set mountpoint-deadline to more than 3 s",
            _ => "",
        };
        assert_eq!(
            event.field("MESSAGE"),
            format!("{CHECK}: mountpoint-check: {cause}{details}")
        );
        machine.wait_for_journal(
            UNIT,
            &format!("Watchdog request (last status: {cause})"),
            crate::LIMIT,
        );
        let entry = machine.must(&["journalctl", "--dump-catalog", event.field("MESSAGE_ID")]);
        let subject = format!("Subject: {subject}");
        assert!(entry.lines().any(|line| line == subject), "{entry}");
        let now = machine.unit_pids(UNIT);
        let left: Vec<_> = self.old.iter().filter(|pid| now.contains(pid)).collect();
        assert!(left.is_empty(), "of the old instance: {left:?}");
        assert!(
            self.old
                .iter()
                .all(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists())
        );
        assert_eq!(
            Pair::second(machine),
            self.second,
            "the second vassal was disturbed"
        );
        assert_eq!(get(machine, 9091, "/live"), "app002\n");
        event
    }
}

#[test]
fn a_killed_daemon_is_dead_and_the_app_serves_again() {
    for suite in Suite::all() {
        let pair = Pair::serving(suite);
        let daemon = pair.machine.pid_of(UNIT, "fuse-zip");
        assert!(pair.machine.kill(daemon, Signal::SIGKILL));
        let event = pair.assert_recovers("dead");
        assert_eq!(event.field("ERRNO"), "107", "ENOTCONN");
    }
}

#[test]
fn a_stopped_daemon_is_hung_within_the_deadline() {
    for suite in Suite::all() {
        let pair = Pair::serving(suite);
        let daemon = pair.machine.pid_of(UNIT, "fuse-zip");
        let begun = SystemTime::now();
        assert!(pair.machine.kill(daemon, Signal::SIGSTOP));
        let event = pair.assert_recovers("hung");
        let took = event.time().duration_since(begun).unwrap();
        println!("{suite}: hung told after {took:?}");
        assert!(took <= DEADLINE + GRACE, "{took:?}");
    }
}

#[test]
fn an_unmounted_mountpoint_is_gone() {
    for suite in Suite::all() {
        let pair = Pair::serving(suite);
        in_the_vassal(&pair.machine, &["umount", "--lazy", "/app"]);
        pair.assert_recovers("gone");
    }
}

#[test]
fn a_mountpoint_that_is_mounted_over_is_replaced() {
    for suite in Suite::all() {
        let pair = Pair::serving(suite);
        in_the_vassal(&pair.machine, &["mount", "-t", "tmpfs", "tmpfs", "/app"]);
        pair.assert_recovers("replaced");
    }
}

/// Runs a command in the vassal. Its own end tells nothing: it is killed with the vassal as soon as the watchdog sees what it did.
fn in_the_vassal(machine: &Machine, argv: &[&str]) {
    let output = machine.run_inside(uwsgi(machine, UNIT), argv);
    assert!(output.status.code().is_none_or(|code| code == 0), "{output}");
}

#[test]
fn what_is_watched_is_the_mount_of_a_user_closed_to_root() {
    for suite in Suite::all() {
        let machine = serving(suite, seed::ZIP_WATCHED);
        let mounts = mounts_on(uwsgi(&machine, UNIT), "/app");
        assert_eq!(mounts.len(), 1, "{mounts:?}");
        assert!(mounts[0].contains("user_id=20001,group_id=20001"), "{mounts:?}");
        assert!(!mounts[0].contains("allow_other"), "{mounts:?}");
        let roots = machine.run_inside(uwsgi(&machine, UNIT), &["ls", "/app"]);
        assert!(
            roots.stderr.contains("Permission denied"),
            "root is let in: {roots}"
        );
    }
}

#[test]
fn the_journal_explains_a_verdict_to_whoever_asks() {
    for suite in Suite::all() {
        let machine = serving(suite, seed::ZIP_WATCHED);
        assert!(machine.kill(machine.pid_of(UNIT, "fuse-zip"), Signal::SIGKILL));
        wait_for_verdict(&machine, "dead");
        let explained = machine.must(&["journalctl", "--quiet", "-x", "--no-pager", "VASSAL_VERDICT=dead"]);
        assert!(
            explained.contains("Subject: Mountpoint /app of vassal user001 is dead"),
            "{explained}"
        );
    }
}

#[test]
fn a_check_of_a_path_that_is_no_mountpoint_is_a_clear_failure() {
    let text: String = seed::ZIP_WATCHED
        .lines()
        .filter(|line| !line.starts_with("exec-as-user"))
        .fold(String::new(), |text, line| text + line + "\n");
    for suite in Suite::all() {
        let machine = machine(suite);
        drop_in(&machine, "user001", &text);
        let status = fails_to_start(&machine, UNIT);
        assert!(
            status
                .stdout
                .contains("user001.ini:10: mountpoint-check: '/app' is not a mountpoint"),
            "{status}"
        );
        assert_refused(&machine, UNIT);
    }
}
