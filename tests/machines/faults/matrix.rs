//! Every fault with every daemon and either owner: the right verdict, one restart, nothing left.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, SystemTime};

use vassal_tests::{Layer, Machine, Suite};

use crate::LIMIT;
use crate::filesystem::{Below, Daemon, Mounter};
use crate::setup::cell::{FAULTS, Fault, expected};
use crate::setup::inflict::inflict;
use crate::setup::scene;
use crate::setup::scene::{Before, assert_clean_end};
use crate::setup::tenant::Tenant;
use crate::setup::unit::wait_restarted;

/// The deadline of these vassals; shorter than usual, as a third of the cells waits for it.
pub const DEADLINE: Duration = Duration::from_millis(1500);
/// The same as a line of `[vassal]`.
pub const SHORT: &str = "mountpoint-deadline = 1500ms\n";
/// What telling it, and a busy host, may add.
pub const GRACE: Duration = Duration::from_secs(1);

/// Filesystems of which each suite has its own, each of root and of the app's user, and those on faultfs.
fn usual(suite: Suite) -> Vec<Tenant> {
    let [zip, union, ours, overlay] = Daemon::of(suite);
    let below = [
        (zip, Below::Directory),
        (union, Below::Directory),
        (ours, Below::Directory),
        (zip, Below::Faultfs),
        (union, Below::Faultfs),
    ];
    let both = |(daemon, below)| [(daemon, Mounter::Root, below), (daemon, Mounter::User, below)];
    let kinds = below.into_iter().flat_map(both);
    numbered(kinds.chain([(overlay, Mounter::Root, Below::Directory)]))
}

/// Further types of filesystem, and other owners; fuse-overlayfs where it is not among the usual ones.
fn further(suite: Suite) -> Vec<Tenant> {
    let kinds = [
        (Daemon::Squashfuse, Mounter::Root, Below::Directory),
        (Daemon::Squashfuse, Mounter::User, Below::Directory),
        (Daemon::Squashfuse, Mounter::Root, Below::Faultfs),
        (Daemon::Squashfuse, Mounter::User, Below::Faultfs),
        (Daemon::Faultfs, Mounter::RootAlone, Below::Directory),
        (Daemon::Faultfs, Mounter::UserForAll, Below::Directory),
        (Daemon::Faultfs, Mounter::Other, Below::Directory),
        (Daemon::Bind, Mounter::Root, Below::Directory),
        (Daemon::Bind, Mounter::User, Below::Directory),
        (Daemon::OverlayOnFaultfs, Mounter::Root, Below::Directory),
        (Daemon::Tmpfs, Mounter::Root, Below::Directory),
    ];
    let overlays = [
        (Daemon::FuseOverlayfs, Mounter::Root, Below::Directory),
        (Daemon::FuseOverlayfs, Mounter::User, Below::Directory),
        (Daemon::FuseOverlayfs, Mounter::Root, Below::Faultfs),
        (Daemon::FuseOverlayfs, Mounter::User, Below::Faultfs),
    ];
    let is_missing = !Daemon::of(suite).contains(&Daemon::FuseOverlayfs);
    numbered(
        kinds
            .into_iter()
            .chain(overlays.into_iter().filter(|_| is_missing)),
    )
}

fn numbered(kinds: impl IntoIterator<Item = (Daemon, Mounter, Below)>) -> Vec<Tenant> {
    let new = |(port, (daemon, mounter, below))| Tenant::new(daemon, mounter, below, port);
    (9101..).zip(kinds).map(new).collect()
}

/// Waits until the vassal has served for so long that its next restart is not put off (vassal-enter(8), RESTARTS).
fn settle(machine: &Machine, tenant: &Tenant) {
    const PROVEN: f64 = 1.1;
    machine.wait_for("a second of service", LIMIT, || {
        let since = machine.unit(&tenant.unit(), "ActiveEnterTimestampMonotonic");
        let now = machine.must(&["cut", "-d ", "-f1", "/proc/uptime"]);
        let served = now.trim().parse::<f64>().unwrap() - since.parse::<f64>().unwrap() / 1e6;
        if served > PROVEN { Ok(()) } else { Err(served) }
    });
}

/// Makes a fault and demands what must come of it.
fn meet(machine: &Machine, tenant: &Tenant, fault: Fault, words: &[&str]) {
    settle(machine, tenant);
    let before = Before::of(machine, tenant);
    let begun = SystemTime::now();
    let _waiting = inflict(machine, tenant, fault);
    // A start by hand begins the count anew.
    let restarts = match fault {
        Fault::KillDuringStart => 1,
        _ => before.restarts + 1,
    };
    wait_restarted(machine, tenant, restarts);
    let served = begun.elapsed().unwrap_or_default();
    let verdict = before.assert_over(machine, tenant, words);
    let took = verdict.time.duration_since(begun).unwrap_or_default();
    assert!(
        verdict.word != "hung" || took <= DEADLINE + GRACE,
        "told after {took:?}"
    );
    let killed = scene::assert_killed(machine, tenant, &verdict);
    println!(
        "{:9} {:16} {fault:16?} {:9} {took:?}, killed {killed:?} later, serves after {served:?}",
        machine.suite(),
        tenant.name,
        verdict.word
    );
}

/// All faults of a tenant, one after the other; what went wrong.
pub fn meet_all(machine: &Machine, tenant: &Tenant) -> Vec<String> {
    let mut wrong = Vec::new();
    for fault in FAULTS {
        let Ok(words) = expected(tenant, fault) else {
            continue;
        };
        let met = catch_unwind(AssertUnwindSafe(|| meet(machine, tenant, fault, words)));
        if let Err(reason) = met {
            let text = reason.downcast_ref::<String>().cloned().unwrap_or_default();
            wrong.push(format!("{} {} {fault:?}: {text}", machine.suite(), tenant.name));
            // Not again: what it left would be taken for the next one's.
            break;
        }
    }
    wrong
}

/// Has all tenants of a machine meet all faults at the same time.
fn meet_everything(machine: &Machine, tenants: &[Tenant]) {
    scene::start(machine, tenants, SHORT);
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let met = tenants
            .iter()
            .map(|tenant| scope.spawn(|| meet_all(machine, tenant)));
        let threads: Vec<_> = met.collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), machine.state());
    assert_clean_end(machine, tenants);
}

#[test]
fn every_fault_of_every_daemon_is_told_by_its_name_and_leaves_nothing() {
    for suite in Suite::all() {
        meet_everything(&scene::machine(suite), &usual(suite));
    }
}

#[test]
fn every_fault_of_further_filesystems_and_owners_is_told_by_its_name_and_leaves_nothing() {
    for suite in Suite::all() {
        let packages = ["squashfuse", "squashfs-tools", "fuse-overlayfs"];
        let layer = Layer::with_debian(suite, &packages).unwrap();
        meet_everything(&scene::machine_with(suite, &[layer]), &further(suite));
    }
}

#[test]
fn the_matrix_has_no_cell_that_is_forgotten() {
    let counts = |tenants: Vec<Tenant>| -> Vec<usize> {
        let cells = |tenant: &Tenant| {
            FAULTS
                .iter()
                .filter(|fault| expected(tenant, **fault).is_ok())
                .count()
        };
        tenants.iter().map(cells).collect()
    };
    for suite in Suite::EVERY {
        // For root all but fusermount. zip and the union: the deadlock is that of the one on faultfs; they show a directory
        // to root and to whom root lets in. An overlay: four, of what is done to the mount.
        assert_eq!(
            counts(usual(suite)),
            [9, 9, 9, 9, 9, 10, 1, 1, 1, 1, 4],
            "{suite}"
        );
    }
    // squashfuse as zip. Whom the app cannot read: neither deadlock nor exit. Tmpfs as an overlay, but without a directory.
    let others = [9, 9, 1, 1, 7, 10, 9, 9, 9, 9, 3];
    assert_eq!(counts(further(Suite::Trixie)), others);
    assert_eq!(
        counts(further(Suite::Bookworm)),
        [&others[..], &[9, 9, 1, 1]].concat()
    );
}
