//! Daemons that a script of a hook keeps as its children: neither their end nor their stop is told to the watchdog, which must
//! ask them often.

use std::time::{Duration, SystemTime};

use vassal_tests::{Machine, Signal};

use crate::filesystem::{Below, Daemon, Mounter};
use crate::matrix::{DEADLINE, GRACE, SHORT};
use crate::setup::scene;
use crate::setup::scene::{Before, assert_clean_end, on_each_suite};
use crate::setup::tenant::Tenant;
use crate::setup::unit::wait_restarted;

/// What is done to the daemon, what must be told, and when at the latest, as nobody waits for an answer of the filesystem:
/// an interval later, and with a hang the deadline, too.
const ENDS: [(Signal, &str, Duration); 2] = [
    (Signal::SIGKILL, "dead", INTERVAL),
    (Signal::SIGSTOP, "hung", INTERVAL.saturating_add(DEADLINE)),
];

/// The time between two questions to a mountpoint whose trouble does not show by itself (vassal-watchdog(8)).
const INTERVAL: Duration = DEADLINE.checked_div(4).unwrap();

/// The tenant's file, in which a script runs the daemon in the foreground and goes on when that has ended.
fn text(tenant: &Tenant) -> String {
    let (program, foreground) = match tenant.daemon {
        Daemon::FuseZip => ("fuse-zip", "fuse-zip -f"),
        _ => ("faultfs", "faultfs --foreground"),
    };
    let keep = |line: &str| match line.split_once(&format!(" = {program} ")) {
        Some((option, arguments)) => format!(
            "{option} = {{ {foreground} {arguments}; sleep infinity; }} & until mountpoint -q {}; do sleep 0.05; done",
            tenant.mountpoint()
        ),
        None => line.to_owned(),
    };
    let text = tenant.text(SHORT);
    let lines: Vec<String> = text.lines().map(keep).collect();
    lines.join("\n")
}

fn meet_all(machine: &Machine, tenant: &Tenant) {
    for (signal, word, limit) in ENDS {
        let before = Before::of(machine, tenant);
        let begun = SystemTime::now();
        let daemon = machine.pid_of(&tenant.unit(), tenant.daemon.process());
        assert!(machine.kill(daemon, signal));
        wait_restarted(machine, tenant, before.restarts + 1);
        let verdict = before.assert_over(machine, tenant, &[word]);
        let took = verdict.time.duration_since(begun).unwrap_or_default();
        println!(
            "{} {} {signal}: told after {took:?}",
            machine.suite(),
            tenant.name
        );
        assert!(
            took <= limit + GRACE,
            "{} {signal}: told after {took:?}",
            tenant.name
        );
    }
}

#[test]
fn a_daemon_that_is_a_scripts_child_is_found_dead_or_hung_in_time() {
    on_each_suite(|suite| {
        let tenants = [
            Tenant::new(Daemon::Faultfs, Mounter::Root, Below::Directory, 9101),
            Tenant::new(Daemon::FuseZip, Mounter::User, Below::Directory, 9102),
        ];
        let machine = scene::machine(suite);
        scene::serve(&machine, &tenants.each_ref().map(|tenant| (tenant, text(tenant))));
        std::thread::scope(|scope| {
            for tenant in &tenants {
                scope.spawn(|| meet_all(&machine, tenant));
            }
        });
        assert_clean_end(&machine, &tenants);
    });
}
