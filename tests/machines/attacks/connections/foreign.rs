//! Mounts of others that the vassal sees: whatever happens to the vassal, nothing happens to them.

use vassal_tests::{Machine, Owner, Signal, fixtures, on_each_suite};

use super::scene::{self, LIMIT, Vassal, assert_answers, mount_on_host, read_for_ever, runs};

const VASSAL: Vassal = Vassal {
    name: "tenant",
    port: 9101,
};

/// Where the vassal's own filesystem is.
const OWN: &str = "exec-as-root = faultfs --owner 20001 /app\n";

/// Waits until a mount has come into the vassal; what its line in mountinfo says of where from.
fn wait_for_propagation(machine: &Machine, place: &str) -> String {
    let watchdog = VASSAL.watchdog(machine);
    machine.wait_for("mount in the vassal", LIMIT, || {
        let text = std::fs::read_to_string(format!("/proc/{watchdog}/mountinfo")).unwrap_or_default();
        let mut lines = text.lines();
        let line = lines
            .find(|line| line.split(' ').nth(4) == Some(place))
            .map(str::to_owned);
        line.ok_or(text)
    })
}

#[test]
fn a_mount_that_came_later_outlives_the_end_of_the_vassals_own_daemon() {
    on_each_suite(|suite| {
        let machine = scene::machine(suite);
        fixtures::mountpoint(&machine, "/app", Owner::USER001);
        VASSAL.start(&machine, &format!("{OWN}mountpoint-check = /app\n"), "");
        mount_on_host(&machine, "/mnt/other", 20002);
        let line = wait_for_propagation(&machine, "/mnt/other");
        assert!(line.contains(" master:"), "{line}");
        let reader = read_for_ever(&machine, "/mnt/other/hang");
        let daemon = machine.pid_of(&VASSAL.unit(), "faultfs");
        assert!(machine.kill(daemon, Signal::SIGKILL));
        VASSAL.wait_restarted(&machine, 0);
        assert_answers(&machine, "/mnt/other");
        assert!(runs(reader), "the reader was answered with an error");
    });
}

#[test]
fn an_idle_mount_that_came_later_outlives_a_stop_whose_app_hangs() {
    on_each_suite(|suite| {
        let machine = scene::machine(suite);
        fixtures::mountpoint(&machine, "/app", Owner::USER001);
        VASSAL.start(&machine, OWN, "stop-timeout = 1s\n");
        mount_on_host(&machine, "/mnt/other", 20002);
        // What was a slave is none any more: only the host's own table tells whose it is.
        mount_on_host(&machine, "/mnt/private", 20002);
        wait_for_propagation(&machine, "/mnt/private");
        machine.must(&["mount", "--make-private", "/mnt/private"]);
        let line = wait_for_propagation(&machine, "/mnt/private");
        assert!(!line.contains(" master:"), "{line}");
        let connection = machine.connect(VASSAL.port).unwrap();
        std::io::Write::write_all(&mut &connection, b"GET /read?/app/hang HTTP/1.0\r\n\r\n").unwrap();
        machine.wait_for("waiting app", LIMIT, || {
            let app = machine.pid_of(&VASSAL.unit(), "faultfs-app");
            let tasks = std::fs::read_dir(format!("/proc/{app}/task")).unwrap().flatten();
            let waits = |task: &std::fs::DirEntry| {
                std::fs::read_to_string(task.path().join("wchan"))
                    .is_ok_and(|wchan| wchan.contains("fuse") || wchan.contains("request_wait"))
            };
            if tasks.into_iter().any(|task| waits(&task)) {
                Ok(())
            } else {
                Err("it does not wait")
            }
        });
        machine.must(&["systemctl", "stop", &VASSAL.unit()]);
        assert_eq!(machine.unit_pids(&VASSAL.unit()), []);
        assert_answers(&machine, "/mnt/other");
        assert_answers(&machine, "/mnt/private");
    });
}

#[test]
fn a_private_mount_of_the_host_that_a_hook_binds_is_the_hosts() {
    on_each_suite(|suite| {
        let machine = scene::machine(suite);
        fixtures::mountpoint(&machine, "/priv", Owner::ROOT);
        fixtures::mountpoint(&machine, "/app", Owner::ROOT);
        machine.must_sh("mount -t tmpfs tmpfs /priv; mount --make-private /priv");
        mount_on_host(&machine, "/priv/fs", 20002);
        let reader = read_for_ever(&machine, "/priv/fs/hang");
        let options = "exec-as-root = mount --bind /priv/fs /app\nmountpoint-check = /app\n";
        VASSAL.start(&machine, options, "mountpoint-deadline = 1500ms\n");
        let line = wait_for_propagation(&machine, "/app");
        assert!(!line.contains(" master:"), "{line}");
        let connection = machine.connect(VASSAL.port).unwrap();
        std::io::Write::write_all(&mut &connection, b"GET /read?/app/hang HTTP/1.0\r\n\r\n").unwrap();
        VASSAL.wait_for_verdict(&machine, "/app hung");
        machine.wait_for_journal(&VASSAL.unit(), "Watchdog request", LIMIT);
        assert_answers(&machine, "/priv/fs");
        assert!(runs(reader), "the reader was answered with an error");
    });
}
