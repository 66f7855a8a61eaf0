//! The tutorial's closing note: a daemon that commits when it is unmounted, and a vassal that unmounts it.

use vassal_tests::{AS_USER001, Machine, Owner, Signal, Suite, fixtures, seed};

use crate::LIMIT;
use crate::vassals::{UNIT, drop_in, get, machine, uwsgi, wait_restarted};

const ARCHIVE: &str = "/srv/user001/app001.zip";

/// A watched zip vassal that may write: its archive is its own, and unmounted at exit.
fn writing(suite: Suite) -> Machine {
    let machine = machine(suite);
    machine.make_dir("/srv/user001", 0o755, Owner::USER001);
    fixtures::zip_app(&machine, ARCHIVE, "app001");
    machine.must(&["chown", "user001:user001", ARCHIVE]);
    let text = seed::ZIP_ATEXIT.replace("fuse-zip -r /var/www/app001.zip", &format!("fuse-zip {ARCHIVE}"));
    drop_in(&machine, "user001", &text);
    machine.must(&["systemctl", "start", UNIT]);
    machine
}

/// A member of the archive as it is on disk, after a test of all members.
fn member(machine: &Machine, name: &str) -> String {
    member_of(machine, ARCHIVE, name)
}

fn member_of(machine: &Machine, archive: &str, name: &str) -> String {
    let program = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); bad = z.testzip(); \
                   assert bad is None, bad; print(z.read(sys.argv[2]).decode(), end='')";
    machine.must(&["python3", "-c", program, archive, name])
}

#[test]
fn what_the_app_wrote_is_in_the_archive_after_a_stop() {
    for suite in Suite::all() {
        let machine = writing(suite);
        assert_eq!(get(&machine, 9090, "/write?/app/proof"), "wrote /app/proof\n");
        let listed = machine.must(&["python3", "-m", "zipfile", "--list", ARCHIVE]);
        assert!(
            !listed.contains("proof"),
            "nothing to commit at the end: {listed}"
        );
        machine.must(&["systemctl", "stop", UNIT]);
        assert_eq!(member(&machine, "proof"), "written by app001");
        assert_eq!(member(&machine, "name"), "app001");
        assert_eq!(
            machine.unit(UNIT, "Result"),
            "success",
            "{}",
            machine.journal(UNIT)
        );
    }
}

#[test]
fn what_the_app_wrote_is_in_the_archive_after_a_restart() {
    for suite in Suite::all() {
        let machine = writing(suite);
        get(&machine, 9090, "/write?/app/proof");
        machine.must(&["systemctl", "restart", UNIT]);
        assert_eq!(member(&machine, "proof"), "written by app001");
        assert_eq!(get(&machine, 9090, "/read?/app/proof"), "written by app001\n");
    }
}

#[test]
fn what_the_app_wrote_is_in_the_archive_after_a_crash() {
    for suite in Suite::all() {
        let machine = writing(suite);
        get(&machine, 9090, "/write?/app/proof");
        assert!(machine.kill(uwsgi(&machine, UNIT), Signal::SIGKILL));
        wait_restarted(&machine, UNIT, 9090, 1);
        assert_eq!(get(&machine, 9090, "/read?/app/proof"), "written by app001\n");
        assert_eq!(member(&machine, "proof"), "written by app001");
    }
}

/// Has the app's user write what takes long to commit; its checksum.
fn write_much(machine: &Machine) -> String {
    let script = "head --bytes=20000000 /dev/urandom > /app/big && sha256sum < /app/big";
    let user = [&AS_USER001[..], &["sh", "-ec", script]].concat();
    let written = machine.run_inside(uwsgi(machine, UNIT), &user);
    assert!(written.succeeded(), "{written}");
    written.stdout.trim_end().to_owned()
}

/// The checksum of that as it is on disk.
fn sum_of_much(machine: &Machine) -> String {
    let program = "import hashlib, sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; \
                   print(hashlib.sha256(z.read('big')).hexdigest() + '  -')";
    machine.must(&["python3", "-c", program, ARCHIVE])
}

#[test]
fn a_write_that_takes_long_to_commit_is_waited_for() {
    for suite in Suite::all() {
        let machine = writing(suite);
        let written = write_much(&machine);
        machine.must(&["systemctl", "stop", UNIT]);
        assert_eq!(sum_of_much(&machine), written);
    }
}

#[test]
fn several_crashes_lose_nothing() {
    for suite in Suite::all() {
        let machine = writing(suite);
        get(&machine, 9090, "/write?/app/first");
        for (restarts, name) in [(1, "second"), (2, "third")] {
            assert!(machine.kill(uwsgi(&machine, UNIT), Signal::SIGKILL));
            wait_restarted(&machine, UNIT, 9090, restarts);
            get(&machine, 9090, &format!("/write?/app/{name}"));
        }
        machine.must(&["systemctl", "stop", UNIT]);
        for name in ["first", "second", "third"] {
            assert_eq!(member(&machine, name), "written by app001", "{name}");
        }
    }
}

#[test]
fn an_app_that_lives_in_the_mount_does_not_keep_it_from_being_committed() {
    for suite in Suite::all() {
        let machine = writing(suite);
        let file = "/etc/uwsgi/vassals/user001.ini";
        // A worker and a daemon of the app, both with their working directory in the mount.
        let lines = "chdir = /app\nattach-daemon2 = cmd=sleep infinity\n";
        machine.must(&["systemctl", "stop", UNIT]);
        drop_in(&machine, "user001", &(machine.read_text(file) + lines));
        machine.must(&["systemctl", "start", UNIT]);
        let daemon = machine.wait_for("the app's daemon", LIMIT, || {
            machine.pids_of(UNIT, "sleep").first().copied().ok_or("none")
        });
        let directory = std::fs::read_link(format!("/proc/{daemon}/cwd")).unwrap();
        assert_eq!(directory.to_str(), Some("/app"));
        get(&machine, 9090, "/write?/app/proof");
        machine.must(&["systemctl", "stop", UNIT]);
        assert_eq!(
            member(&machine, "proof"),
            "written by app001",
            "{}",
            machine.journal(UNIT)
        );
        assert_eq!(machine.pids("sleep"), []);
    }
}

#[test]
fn what_the_app_wrote_is_in_the_archive_after_its_target_was_stopped() {
    for suite in Suite::all() {
        let machine = writing(suite);
        get(&machine, 9090, "/write?/app/proof");
        // As a shutdown does.
        machine.must(&["systemctl", "stop", "vassals.target"]);
        machine.wait_for_unit(UNIT, "ActiveState", "inactive", LIMIT);
        assert_eq!(member(&machine, "proof"), "written by app001");
    }
}

#[test]
fn what_was_written_beside_a_lost_mountpoint_is_committed() {
    for suite in Suite::all() {
        let machine = machine(suite);
        fixtures::mountpoint(&machine, "/data", Owner::USER001);
        fixtures::zip_app(&machine, "/var/www/data.zip", "data");
        machine.must(&["chown", "-R", "user001", "/var/www"]);
        let text = seed::ZIP_WATCHED.replace(
            "endif =",
            "exec-as-user = fuse-zip /var/www/data.zip /data\nendif =",
        );
        drop_in(&machine, "user001", &text);
        machine.must(&["systemctl", "start", UNIT]);
        machine.poll_http(9090, "/", LIMIT);
        assert_eq!(get(&machine, 9090, "/write?/data/kept"), "wrote /data/kept\n");
        let app = machine.must(&["pgrep", "--full", "fuse-zip .*/app$"]);
        machine.must(&["kill", "-9", app.trim()]);
        wait_restarted(&machine, UNIT, 9090, 1);
        assert_eq!(machine.unit(UNIT, "NRestarts"), "1");
        assert_eq!(get(&machine, 9090, "/read?/data/kept"), "written by app001\n");
        let line = machine.wait_for_journal(UNIT, "/app dead", LIMIT);
        assert!(line.contains("user001.ini:12"), "{line}");
    }
}

#[test]
fn what_was_written_where_only_a_daemon_sees_it_is_committed_by_a_stop() {
    for suite in Suite::all() {
        let machine = writing(suite);
        let data = "/srv/user001/data.zip";
        fixtures::zip_app(&machine, data, "data");
        // As much as a script that makes itself a namespace.
        let mount = format!("exec-as-root = unshare --mount fuse-zip {data} /mnt\nexec-as-user = fuse-zip");
        let text = machine.read_text("/etc/uwsgi/vassals/user001.ini");
        drop_in(
            &machine,
            "user001",
            &text.replacen("exec-as-user = fuse-zip", &mount, 1),
        );
        machine.must(&["systemctl", "restart", UNIT]);
        let daemons = machine.pids_of(UNIT, "fuse-zip");
        let write = [
            "sh",
            "-ec",
            "grep -q ' /mnt fuse' /proc/self/mounts && echo kept >/mnt/kept",
        ];
        let written = daemons
            .iter()
            .filter(|pid| machine.run_inside(**pid, &write).succeeded());
        assert_eq!(written.count(), 1, "{}", machine.state());
        // Whose end takes long is not to be disturbed by that of the other.
        let much = write_much(&machine);
        machine.must(&["systemctl", "stop", UNIT]);
        let journal = machine.journal(UNIT);
        assert!(!journal.contains("did not end"), "{journal}");
        assert_eq!(sum_of_much(&machine), much);
        assert_eq!(member_of(&machine, data, "kept"), "kept");
    }
}
