//! The health of mountpoints as an administrator meets it: a mount of the host's that goes away and comes back.
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and does not get ends it, with the reason"
)]

use std::time::{Duration, Instant};

use vassal_tests::{Boot, Machine, Owner, Signal, Suite, fixtures, installed, on_each_suite};

const UNIT: &str = "vassal@user001.service";
const LIMIT: Duration = Duration::from_secs(60);
/// From the return of a mount to a vassal that serves, on a busy host.
const SOON: Duration = Duration::from_millis(2500);

const FILE: &str = "[uwsgi]\nuid = user001\ngid = user001\nmountpoint-check = /hz\n\
    [vassal]\ncommand = exec sleep infinity\n";

fn mount(machine: &Machine) {
    machine.must_sh("fuse-zip -r -o ro,allow_other /srv/app.zip /hz");
}

fn serving(suite: Suite) -> Machine {
    let machine = Boot::of(suite).layer(&installed(suite)).start().unwrap();
    fixtures::zip_app(&machine, "/srv/app.zip", "app");
    fixtures::mountpoint(&machine, "/hz", Owner::ROOT);
    mount(&machine);
    machine.write("/etc/uwsgi/vassals/user001.ini", FILE, 0o644, Owner::ROOT);
    machine.must_sh(&format!("systemctl daemon-reload; systemctl start {UNIT}"));
    // A vassal that has served for a second has no wrong configuration.
    machine.wait_for_journal(UNIT, "serving", LIMIT);
    std::thread::sleep(Duration::from_millis(1100));
    machine
}

/// Waits until the vassal waits for eight seconds and more before its next attempt.
fn wait_for_long_pause(machine: &Machine) {
    machine.wait_for("long pause", LIMIT, || {
        let status = machine.unit(UNIT, "StatusText");
        let seconds = status
            .strip_prefix("waiting ")
            .and_then(|rest| rest.split(' ').next());
        let seconds: u32 = seconds.and_then(|word| word.parse().ok()).unwrap_or(0);
        if seconds >= 8 { Ok(()) } else { Err(status) }
    });
}

fn assert_back_soon(machine: &Machine, begun: Instant) {
    machine.wait_for_unit(UNIT, "ActiveState", "active", LIMIT);
    let took = begun.elapsed();
    println!("{}: serves {took:?} after the mount is back", machine.suite());
    assert!(took < SOON, "{took:?}\n{}", machine.journal(UNIT));
}

#[test]
fn a_vassal_follows_the_hosts_mount_at_once_when_that_comes_back() {
    on_each_suite(|suite| {
        let machine = serving(suite);
        machine.must(&["umount", "/hz"]);
        wait_for_long_pause(&machine);
        let begun = Instant::now();
        mount(&machine);
        assert_back_soon(&machine, begun);
    });
}

#[test]
fn a_vassal_follows_when_a_dead_mount_is_mounted_over_or_replaced() {
    on_each_suite(|suite| {
        let machine = serving(suite);
        let daemon = machine.pids("fuse-zip")[0];
        assert!(machine.kill(daemon, Signal::SIGKILL));
        wait_for_long_pause(&machine);
        // What happens elsewhere is no reason to try.
        let restarts = machine.unit(UNIT, "NRestarts");
        machine.must_sh("for i in 1 2 3 4 5; do mount -t tmpfs tmpfs /mnt; umount /mnt; sleep 0.2; done");
        assert_eq!(machine.unit(UNIT, "NRestarts"), restarts);
        machine.must(&["umount", "--lazy", "/hz"]);
        let begun = Instant::now();
        mount(&machine);
        assert_back_soon(&machine, begun);
    });
}

#[test]
fn a_vassal_follows_when_a_hung_mount_of_the_hosts_answers_again() {
    on_each_suite(|suite| {
        let machine = serving(suite);
        let daemon = machine.pids("fuse-zip")[0];
        assert!(machine.kill(daemon, Signal::SIGSTOP));
        machine.wait_for_journal(UNIT, "/hz hung", LIMIT);
        machine.wait_for("a pause", LIMIT, || {
            let status = machine.unit(UNIT, "StatusText");
            if status.starts_with("waiting ") {
                Ok(())
            } else {
                Err(status)
            }
        });
        let begun = Instant::now();
        assert!(machine.kill(daemon, Signal::SIGCONT));
        assert_back_soon(&machine, begun);
    });
}
