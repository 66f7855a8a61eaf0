//! False alarms: a machine without time to spare, and units that stood still, have no filesystem that hangs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vassal_tests::{Machine, Suite};

use crate::scene::{self, Over, Unit, ask, assert_reads, unit, verdicts};
use crate::tenant::{Below, Daemon, Mounter, Tenant};

/// Longer than the deadline of these vassals, twice; shorter than systemd's own watchdog.
const STANDSTILL: Duration = Duration::from_secs(4);
const SHORT: &str = "mountpoint-deadline = 1500ms\n";

fn tenants(suite: Suite) -> Vec<Tenant> {
    let daemons = Daemon::of(suite).into_iter().take(3);
    let new = |(port, daemon)| Tenant::new(daemon, Mounter::User, Below::Directory, port);
    (9101..).zip(daemons).map(new).collect()
}

/// Demands that the tenants live on undisturbed through what a closure does. One of them is slow and always read from, so
/// that a probe and a request are on their way whenever something happens.
fn assert_undisturbed(suite: Suite, disturb: impl FnOnce(&Machine, &[Tenant])) {
    let tenants = tenants(suite);
    let texts: Vec<_> = tenants
        .iter()
        .map(|tenant| (tenant, tenant.slow_text(100, SHORT)))
        .collect();
    let machine = scene::machine(suite);
    scene::serve(&machine, &texts);
    let look = || -> Vec<Unit> { tenants.iter().map(|tenant| unit(&machine, tenant)).collect() };
    let before = look();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let slow = tenants
            .iter()
            .find(|tenant| tenant.daemon == Daemon::Faultfs)
            .unwrap();
        let client = || {
            while !over.load(Ordering::Relaxed) {
                assert_reads(&machine, slow);
            }
        };
        let clients = [scope.spawn(client), scope.spawn(client)];
        let end = Over(&over);
        disturb(&machine, &tenants);
        // A probe that is judged too late, after all is over.
        std::thread::sleep(Duration::from_secs(2));
        drop(end);
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
    for tenant in &tenants {
        assert_reads(&machine, tenant);
        assert!(verdicts(&machine, &tenant.name).is_empty(), "{}", machine.state());
    }
    assert_eq!(look(), before, "{}", machine.state());
}

#[test]
fn a_machine_without_time_to_spare_has_no_filesystem_that_hangs() {
    for suite in Suite::all() {
        assert_undisturbed(suite, |machine, tenants| {
            let cores = std::thread::available_parallelism().unwrap().get();
            let loops = "for _ in $(seq $0); do (timeout 8 sh -c 'while :; do :; done' &) ; done; sleep 0.2";
            machine.must(&["sh", "-c", loops, &(cores * 3).to_string()]);
            for _ in 0..6 {
                std::thread::sleep(Duration::from_secs(1));
                tenants.iter().for_each(|tenant| assert_reads(machine, tenant));
            }
        });
    }
}

#[test]
fn a_unit_that_was_stopped_and_goes_on_has_no_filesystem_that_hangs() {
    for suite in Suite::all() {
        assert_undisturbed(suite, |machine, tenants| {
            for _ in 0..3 {
                // With a request on its way, which waits as long.
                let waiting: Vec<_> = tenants
                    .iter()
                    .map(|tenant| ask(machine, tenant, "read", "ok"))
                    .collect();
                signal(machine, "STOP");
                std::thread::sleep(STANDSTILL);
                signal(machine, "CONT");
                std::thread::sleep(Duration::from_millis(300));
                drop(waiting);
            }
        });
    }
}

#[test]
fn a_unit_that_was_frozen_has_no_filesystem_that_hangs() {
    for suite in Suite::all() {
        assert_undisturbed(suite, |machine, tenants| {
            for _ in 0..3 {
                freeze(machine, tenants, "1");
                let waiting: Vec<_> = tenants
                    .iter()
                    .map(|tenant| ask(machine, tenant, "read", "ok"))
                    .collect();
                std::thread::sleep(STANDSTILL);
                freeze(machine, tenants, "0");
                std::thread::sleep(Duration::from_millis(300));
                drop(waiting);
            }
        });
    }
}

/// Sends a signal to every process of every vassal.
fn signal(machine: &Machine, signal: &str) {
    machine.must(&["systemctl", "kill", "--signal", signal, "vassal@*"]);
}

/// Freezes the processes of every tenant, or thaws them. Not by `systemctl freeze`: that waits until all are frozen, and
/// who waits for a FUSE daemon that is frozen never is.
fn freeze(machine: &Machine, tenants: &[Tenant], state: &str) {
    for tenant in tenants {
        let group = machine.unit(&tenant.unit(), "ControlGroup");
        machine.must_sh(&format!("echo {state} >/sys/fs/cgroup{group}/cgroup.freeze"));
    }
}
