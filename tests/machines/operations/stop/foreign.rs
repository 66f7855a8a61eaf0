//! A process that waits for a filesystem of the host's, whose daemon does not answer: not even SIGKILL ends it, and the
//! filesystem is not the vassal's to cut off.

use std::time::Duration;

use vassal_tests::on_each_suite;

use super::scene::{LIMIT, machine, start, timed, unit};

const FAULTFS: &str = env!("CARGO_BIN_EXE_faultfs");

/// What systemd and the watchdog take together: 20 s after the watchdog's last word, and as much for SIGKILL, the final SIGTERM
/// and the final SIGKILL; on a busy host.
const BOUND: Duration = Duration::from_secs(110);

#[test]
fn a_stop_ends_although_a_process_waits_for_a_filesystem_of_the_hosts() {
    on_each_suite(|suite| {
        let machine = machine(suite, &[]);
        let program = std::fs::read(FAULTFS).unwrap();
        machine.write(
            "/usr/local/bin/faultfs",
            program,
            0o755,
            vassal_tests::Owner::ROOT,
        );
        machine.make_dir("/mnt/hosts", 0o755, vassal_tests::Owner::ROOT);
        machine.must_sh("systemd-run -q --unit=hosts faultfs --foreground --allow-other /mnt/hosts");
        machine.wait_for("mount", LIMIT, || {
            let mounted = machine.run(&["mountpoint", "-q", "/mnt/hosts"]);
            if mounted.succeeded() { Ok(()) } else { Err("none") }
        });
        start(
            &machine,
            "waits",
            "wsgi = app\nprocesses = 2\n[vassal]\nstop-timeout = 2\n",
        );
        let connections = machine.fuse_connections();
        std::thread::scope(|scope| {
            scope.spawn(|| machine.http(9090, "/file/mnt/hosts/hang").is_ok());
            machine.wait_for("process that waits", LIMIT, || {
                let waits = machine.sh("grep -l request_wait_answer /proc/[0-9]*/wchan");
                if waits.succeeded() { Ok(()) } else { Err(waits) }
            });
            let stop = timed(&machine, "stop", "waits");
            println!("{suite}: {stop:?}");
            assert!(stop <= BOUND, "{stop:?}\n{}", machine.journal(&unit("waits")));
            let journal = machine.journal(&unit("waits"));
            let told = "SIGKILL does not end uwsgi: waiting for the filesystem on '/mnt/hosts'";
            assert!(journal.contains(told), "{journal}");
            // The host's filesystem has not been touched.
            assert_eq!(machine.fuse_connections(), connections);
            assert!(machine.run(&["cat", "/mnt/hosts/ok"]).succeeded());
            machine.must(&["systemctl", "kill", "--signal=KILL", "hosts"]);
            machine.wait_for("end of what waited", LIMIT, || {
                match machine.unit_pids(&unit("waits")) {
                    pids if pids.is_empty() => Ok(()),
                    pids => Err(format!("{pids:?}")),
                }
            });
        });
        // And it starts again.
        start(&machine, "waits", "wsgi = app\nprocesses = 2\n");
    });
}
