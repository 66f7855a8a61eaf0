//! FUSE daemons at a stop: with helpers of their own, and such as stand still.

use std::time::Duration;

use vassal_tests::{AS_USER001, Layer, Machine, Owner, Signal, fixtures, on_each_suite};

use super::scene::{assert_stopped_in_order, machine, start, timed, unit};

/// Nothing here has anything to wait for.
const SOON: Duration = Duration::from_secs(2);

/// Runs a script as the tenants' user.
fn as_user(machine: &Machine, script: &str) {
    machine.must(&[&AS_USER001[..], &["sh", "-ec", script]].concat());
}

#[test]
fn the_logger_of_gocryptfs_costs_no_time() {
    on_each_suite(|suite| {
        let layer = Layer::with_debian(suite, &["gocryptfs"]).unwrap();
        let machine = machine(suite, &[layer]);
        machine.make_dir("/srv/cipher", 0o700, Owner::USER001);
        fixtures::mountpoint(&machine, "/mnt/plain", Owner::USER001);
        as_user(
            &machine,
            "gocryptfs -q -init -scryptn 10 -extpass 'echo secret' /srv/cipher",
        );
        let hook = "exec-as-user = gocryptfs -q -extpass 'echo secret' /srv/cipher /mnt/plain\n";
        start(
            &machine,
            "crypt",
            &format!("wsgi = app\nmountpoint-check = /mnt/plain\n{hook}"),
        );
        assert_eq!(
            machine.pids_of(&unit("crypt"), "logger").len(),
            1,
            "{}",
            machine.state()
        );
        let stop = timed(&machine, "stop", "crypt");
        println!("{suite}: {stop:?}");
        assert!(stop <= SOON, "{stop:?}\n{}", machine.journal(&unit("crypt")));
        assert_stopped_in_order(&machine, "crypt");
    });
}

#[test]
fn a_daemon_that_stands_still_is_continued_and_commits() {
    on_each_suite(|suite| {
        let machine = machine(suite, &[]);
        machine.make_dir("/srv/data", 0o755, Owner::USER001);
        fixtures::zip_app(&machine, "/srv/data/app.zip", "app001");
        machine.must(&["chown", "user001:", "/srv/data/app.zip"]);
        fixtures::mountpoint(&machine, "/mnt/zip", Owner::USER001);
        // Not watched: a daemon that does not answer would be a lost mount.
        start(
            &machine,
            "zip",
            "wsgi = app\nexec-as-user = fuse-zip /srv/data/app.zip /mnt/zip\n",
        );
        let daemon = machine.pid_of(&unit("zip"), "fuse-zip");
        let inside: Vec<_> = AS_USER001
            .iter()
            .copied()
            .chain(["sh", "-ec", "echo saved >/mnt/zip/new"])
            .collect();
        let written = machine.run_inside(daemon, &inside);
        assert!(written.succeeded(), "{written}");
        assert!(machine.kill(daemon, Signal::SIGSTOP));
        let stop = timed(&machine, "stop", "zip");
        println!("{suite}: {stop:?}");
        assert!(stop <= SOON, "{stop:?}\n{}", machine.journal(&unit("zip")));
        assert_stopped_in_order(&machine, "zip");
        let read = "import zipfile; print(zipfile.ZipFile('/srv/data/app.zip').read('new').decode(), end='')";
        assert_eq!(machine.must(&["python3", "-c", read]), "saved");
    });
}

#[test]
fn a_leftover_that_stands_still_ends_by_its_first_signal() {
    on_each_suite(|suite| {
        let machine = machine(suite, &[]);
        start(
            &machine,
            "left",
            "wsgi = app\nexec-as-user = setsid sleep 1000 >/dev/null 2>&1 &\n",
        );
        let leftover = machine.pid_of(&unit("left"), "sleep");
        assert!(machine.kill(leftover, Signal::SIGSTOP));
        let stop = timed(&machine, "stop", "left");
        println!("{suite}: {stop:?}");
        assert!(stop <= SOON / 2, "{stop:?}\n{}", machine.journal(&unit("left")));
        assert_stopped_in_order(&machine, "left");
    });
}
