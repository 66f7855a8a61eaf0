//! Signs that make the watchdog look at once, whatever the rhythm of its probes is.

use std::time::{Duration, SystemTime};

use vassal_tests::Machine;

use crate::filesystem::{Below, Daemon, Mounter};
use crate::setup::cell::Fault;
use crate::setup::inflict::inflict;
use crate::setup::scene;
use crate::setup::scene::{Before, on_each_suite};
use crate::setup::tenant::Tenant;
use crate::setup::unit::wait_restarted;

/// A rhythm with which a probe tells nothing for a minute.
const SELDOM: &str = "mountpoint-interval = 60s\nmountpoint-deadline = 90s\n";
/// Much less than that, on any host.
const AT_ONCE: Duration = Duration::from_secs(10);

/// The end of a child; a change of the mounts.
const SIGNS: [(Fault, &str); 4] = [
    (Fault::Kill, "dead"),
    (Fault::Unmount, "gone"),
    (Fault::UnmountLazily, "gone"),
    (Fault::MountOver, "replaced"),
];

fn meet_all(machine: &Machine, tenant: &Tenant) {
    for (fault, word) in SIGNS {
        let before = Before::of(machine, tenant);
        let begun = SystemTime::now();
        inflict(machine, tenant, fault);
        wait_restarted(machine, tenant, before.restarts + 1);
        let verdict = before.assert_over(machine, tenant, &[word]);
        let took = verdict.time.duration_since(begun).unwrap_or_default();
        assert!(took < AT_ONCE, "{fault:?}: told after {took:?}");
    }
}

#[test]
fn what_happens_to_a_mountpoint_is_told_long_before_the_next_probe() {
    on_each_suite(|suite| {
        let daemons = [
            (Daemon::Faultfs, Mounter::Root, 9101),
            (Daemon::FuseZip, Mounter::User, 9102),
        ];
        let tenants =
            daemons.map(|(daemon, mounter, port)| Tenant::new(daemon, mounter, Below::Directory, port));
        let machine = scene::serving(suite, &tenants, SELDOM);
        std::thread::scope(|scope| {
            for tenant in &tenants {
                scope.spawn(|| meet_all(&machine, tenant));
            }
        });
    });
}
