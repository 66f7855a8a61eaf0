//! False alarms: a machine without time to spare, and units that stood still, have no filesystem that hangs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vassal_tests::{Halt, Machine, Owner, Pid, Scarce, Signal, Suite, Tight};

use crate::LIMIT;
use crate::filesystem::{Below, Daemon, Mounter};
use crate::setup::cell::Fault;
use crate::setup::inflict::inflict;
use crate::setup::scene;
use crate::setup::scene::{Before, Over, ask, assert_reads, on_each_suite, verdicts};
use crate::setup::tenant::Tenant;
use crate::setup::unit::{Unit, unit, wait_restarted};

/// What systemd's own watchdog waits for here: less than it does, so that the tests need not wait as long.
const WATCHDOG: &str = "[Service]\nWatchdogSec=10s\n";
/// Longer than the deadline of these vassals, twice; shorter than systemd's own watchdog, less a keep-alive's interval.
const STANDSTILL: Duration = Duration::from_secs(4);
const SHORT: &str = "mountpoint-deadline = 1500ms\n";
/// With probes so often that one is there to be found.
const ASKED: &str = "mountpoint-deadline = 1500ms\nmountpoint-interval = 5s\n";

fn machine(suite: Suite) -> Machine {
    let machine = scene::machine(suite);
    let file = "/etc/systemd/system/vassal@.service.d/watchdog.conf";
    machine.write(file, WATCHDOG, 0o644, Owner::ROOT);
    machine
}

fn tenants(suite: Suite) -> Vec<Tenant> {
    let daemons = Daemon::of(suite).into_iter().take(3);
    let new = |(port, daemon)| Tenant::new(daemon, Mounter::User, Below::Directory, port);
    (9101..).zip(daemons).map(new).collect()
}

/// Demands that the tenants live on undisturbed through what a closure does. Two of them are slow and always read from: one
/// so often asked that a probe, too, is on its way whenever something happens, and the last one in the usual rhythm.
fn assert_undisturbed(suite: Suite, disturb: impl FnOnce(&Machine, &[Tenant])) {
    let usual = Tenant::new(Daemon::Faultfs, Mounter::Root, Below::Directory, 9110);
    let tenants: Vec<Tenant> = tenants(suite).into_iter().chain([usual]).collect();
    let rhythms = std::iter::repeat_n(ASKED, tenants.len() - 1).chain([SHORT]);
    let texts: Vec<_> = tenants
        .iter()
        .zip(rhythms)
        .map(|(tenant, rhythm)| (tenant, tenant.slow_text(100, rhythm)))
        .collect();
    let machine = machine(suite);
    scene::serve(&machine, &texts);
    let look = || -> Vec<Unit> { tenants.iter().map(|tenant| unit(&machine, tenant)).collect() };
    let before = look();
    let over = AtomicBool::new(false);
    let read_on = |slow| {
        while !over.load(Ordering::Relaxed) {
            assert_reads(&machine, slow);
        }
    };
    std::thread::scope(|scope| {
        let slow = tenants.iter().filter(|tenant| tenant.daemon == Daemon::Faultfs);
        let clients: Vec<_> = slow.map(|slow| scope.spawn(|| read_on(slow))).collect();
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
    on_each_suite(|suite| {
        assert_undisturbed(suite, |machine, tenants| {
            let cores = std::thread::available_parallelism().unwrap().get();
            let loops = "for _ in $(seq $0); do (timeout 8 sh -c 'while :; do :; done' &) ; done; sleep 0.2";
            machine.must(&["sh", "-c", loops, &(cores * 3).to_string()]);
            for _ in 0..6 {
                std::thread::sleep(Duration::from_secs(1));
                tenants.iter().for_each(|tenant| assert_reads(machine, tenant));
            }
        });
    });
}

#[test]
fn a_unit_that_was_stopped_and_goes_on_has_no_filesystem_that_hangs() {
    on_each_suite(|suite| {
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
    });
}

#[test]
fn a_unit_that_was_frozen_has_no_filesystem_that_hangs() {
    on_each_suite(|suite| {
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
    });
}

/// Sends a signal to every process of every vassal.
fn signal(machine: &Machine, signal: &str) {
    machine.must(&["systemctl", "kill", "--signal", signal, "vassal@*"]);
}

/// Through which a stalled machine goes: shorter than systemd's own watchdog waits, and longer.
const STALL: Duration = Duration::from_secs(5);
const LONG_STALL: Duration = Duration::from_secs(14);
/// The requests that have waited through a stall are answered one after the other.
const AFTERWARDS: Duration = Duration::from_secs(4);

/// Has the machine stand still with a request of each tenant on its way, and a probe of the slow one.
fn stall(machine: &Machine, tenants: &[Tenant], how: Halt, time: Duration) {
    let waiting: Vec<_> = tenants
        .iter()
        .map(|tenant| ask(machine, tenant, "read", "ok"))
        .collect();
    if let Some(slow) = tenants.iter().find(|tenant| tenant.daemon == Daemon::Faultfs) {
        machine.wait_for("probe", LIMIT, || match watchdogs(machine, slow)[..] {
            [_, _, ..] => Ok(()),
            ref others => Err(format!("{others:?}")),
        });
    }
    machine.stand_still(how, time);
    std::thread::sleep(AFTERWARDS);
    drop(waiting);
}

#[test]
fn a_machine_that_was_frozen_has_no_filesystem_that_hangs() {
    on_each_suite(|suite| {
        assert_undisturbed(suite, |machine, tenants| {
            stall(machine, tenants, Halt::Frozen, STALL);
        });
    });
}

#[test]
fn a_machine_whose_every_process_was_stopped_has_no_filesystem_that_hangs() {
    on_each_suite(|suite| {
        assert_undisturbed(suite, |machine, tenants| {
            for time in [STALL, LONG_STALL] {
                stall(machine, tenants, Halt::Stopped, time);
            }
        });
    });
}

/// The lines with which systemd's own watchdog gives a vassal up.
fn timeouts(machine: &Machine, tenant: &Tenant) -> usize {
    let journal = machine.journal(&tenant.unit());
    journal
        .lines()
        .filter(|line| line.contains("Watchdog timeout"))
        .count()
}

/// systemd's clock runs on, too: of a vassal that it looks at first, it has heard nothing for too long. That is not for
/// vassal-watchdog to prevent, and no verdict of its own.
#[test]
fn a_machine_that_was_frozen_for_longer_than_systemd_waits_has_no_filesystem_that_hangs() {
    on_each_suite(|suite| {
        let tenants = tenants(suite);
        let machine = machine(suite);
        let texts: Vec<_> = tenants
            .iter()
            .map(|tenant| (tenant, tenant.slow_text(100, ASKED)))
            .collect();
        scene::serve(&machine, &texts);
        stall(&machine, &tenants, Halt::Frozen, LONG_STALL);
        for tenant in &tenants {
            let restarts = u32::try_from(timeouts(&machine, tenant)).unwrap();
            println!("{suite} {}: given up by systemd {restarts} times", tenant.name);
            wait_restarted(&machine, tenant, restarts);
            assert!(verdicts(&machine, &tenant.name).is_empty(), "{}", machine.state());
        }
    });
}

#[test]
fn a_unit_that_stays_stopped_is_restarted_by_systemds_own_watchdog_without_a_verdict() {
    on_each_suite(|suite| {
        let tenants = tenants(suite);
        let machine = machine(suite);
        scene::start(&machine, &tenants, SHORT);
        signal(&machine, "STOP");
        for tenant in &tenants {
            wait_restarted(&machine, tenant, 1);
            assert_eq!(
                timeouts(&machine, tenant),
                1,
                "{}",
                machine.journal(&tenant.unit())
            );
            assert!(verdicts(&machine, &tenant.name).is_empty(), "{}", machine.state());
        }
    });
}

/// A tenant's watchdog, and its probes.
fn watchdogs(machine: &Machine, tenant: &Tenant) -> Vec<Pid> {
    machine.pids_of(&tenant.unit(), "vassal-watchdog")
}

#[test]
fn a_probe_that_was_stopped_once_is_no_evidence() {
    on_each_suite(|suite| {
        let tenant = Tenant::new(Daemon::Faultfs, Mounter::User, Below::Directory, 9101);
        let machine = scene::machine(suite);
        // So slow that there is a probe to be found, and far from too slow.
        scene::serve(&machine, &[(&tenant, tenant.slow_text(200, ASKED))]);
        let before = unit(&machine, &tenant);
        let probe = machine.wait_for("probe", LIMIT, || match watchdogs(&machine, &tenant)[..] {
            [_, probe] if machine.kill(probe, Signal::SIGSTOP) => Ok(probe),
            ref others => Err(format!("{others:?}")),
        });
        machine.wait_for("another probe in its place", LIMIT, || {
            let probes = watchdogs(&machine, &tenant);
            match probes.contains(&probe) {
                true => Err(format!("{probes:?}")),
                false => Ok(()),
            }
        });
        let told = format!("a probe of {} was stopped by a signal", tenant.mountpoint());
        machine.wait_for_journal(&tenant.unit(), &told, LIMIT);
        std::thread::sleep(STANDSTILL);
        assert_reads(&machine, &tenant);
        assert_eq!(unit(&machine, &tenant), before, "{}", machine.state());
        assert!(verdicts(&machine, &tenant.name).is_empty(), "{}", machine.state());
    });
}

/// Freezes the processes of every tenant, or thaws them. Not by `systemctl freeze`: that waits until all are frozen, and
/// who waits for a FUSE daemon that is frozen never is.
fn freeze(machine: &Machine, tenants: &[Tenant], state: &str) {
    for tenant in tenants {
        let group = machine.unit(&tenant.unit(), "ControlGroup");
        machine.must_sh(&format!("echo {state} >/sys/fs/cgroup{group}/cgroup.freeze"));
    }
}

#[test]
fn an_app_at_its_limit_of_processes_has_no_filesystem_that_is_lost() {
    on_each_suite(|suite| {
        let tenant = Tenant::new(Daemon::Faultfs, Mounter::User, Below::Directory, 9101);
        let often = "mountpoint-deadline = 1500ms\nmountpoint-interval = 300ms\n";
        let machine = scene::serving(suite, std::slice::from_ref(&tenant), often);
        let before = unit(&machine, &tenant);
        let watchdog = machine.pid_of(&tenant.unit(), "vassal-watchdog");
        let tight = Tight::around(watchdog, Scarce::Processes);
        let told = format!("cannot ask {} for its health", tenant.mountpoint());
        machine.wait_for_journal(&tenant.unit(), &told, LIMIT);
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(unit(&machine, &tenant), before, "{}", machine.state());
        assert!(verdicts(&machine, &tenant.name).is_empty(), "{}", machine.state());
        assert_eq!(machine.journal(&tenant.unit()).matches(&told).count(), 1);
        // What happens meanwhile is told as soon as there can be a process.
        let before = Before::of(&machine, &tenant);
        inflict(&machine, &tenant, Fault::Kill);
        drop(tight);
        wait_restarted(&machine, &tenant, before.restarts + 1);
        before.assert_over(&machine, &tenant, &["dead"]);
    });
}
