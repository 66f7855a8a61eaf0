//! What systemd says of the vassals' units.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use vassal_tests::Machine;

use crate::LIMIT;
use crate::setup::scene::assert_reads;
use crate::setup::tenant::Tenant;

/// Between two looks at a machine; each is a process in it.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// What a unit is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// NRestarts=.
    pub restarts: u32,
    /// ActiveState=.
    pub state: String,
    /// MainPID=.
    pub main: String,
}

/// The vassals' units of a machine by their names, as they were at a time.
type Look = (Instant, BTreeMap<String, Unit>);

/// The last look at each machine: twenty tenants that wait for a restart at the same time share it.
static LOOKS: Mutex<BTreeMap<String, Look>> = Mutex::new(BTreeMap::new());

/// Looks at a tenant's unit.
pub fn unit(machine: &Machine, tenant: &Tenant) -> Unit {
    seen_since(machine, tenant, Instant::now())
}

/// A tenant's unit as it was at `since` or later.
fn seen_since(machine: &Machine, tenant: &Tenant, since: Instant) -> Unit {
    let mut looks = LOOKS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let is_new = |(time, _): &Look| *time >= since && time.elapsed() < LOOK_INTERVAL;
    if !looks.get(machine.name()).is_some_and(is_new) {
        looks.insert(machine.name().to_owned(), (Instant::now(), look(machine)));
    }
    let found = looks
        .get(machine.name())
        .and_then(|(_, units)| units.get(&tenant.unit()));
    match found {
        Some(unit) => unit.clone(),
        None => panic!("no {}\n{}", tenant.unit(), machine.state()),
    }
}

fn look(machine: &Machine) -> BTreeMap<String, Unit> {
    let properties = "--property=Id,NRestarts,ActiveState,MainPID";
    let shown = machine.must(&["systemctl", "show", "--all", properties, "vassal@*.service"]);
    let parse = |text: &str| {
        let value = |name: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
        };
        let unit = Unit {
            restarts: value("NRestarts")?.parse().ok()?,
            state: value("ActiveState")?,
            main: value("MainPID")?,
        };
        Some((value("Id")?, unit))
    };
    shown.split("\n\n").filter_map(parse).collect()
}

/// Waits until a tenant serves again after so many restarts.
pub fn wait_restarted(machine: &Machine, tenant: &Tenant, restarts: u32) {
    let begun = Instant::now();
    loop {
        let seen = seen_since(machine, tenant, begun);
        if seen.restarts == restarts && seen.state == "active" {
            return assert_reads(machine, tenant);
        }
        assert!(
            begun.elapsed() < LIMIT && seen.restarts <= restarts,
            "{}: not active after {restarts} restarts: {seen:?}\n{}",
            tenant.name,
            machine.journal(&tenant.unit())
        );
        std::thread::sleep(LOOK_INTERVAL);
    }
}
