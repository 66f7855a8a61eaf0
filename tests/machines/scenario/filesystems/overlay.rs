//! The copy-on-write root with the kernel's overlay in place of unionfs-fuse: the second form, and Debian 13's first.

use vassal_tests::{Machine, Suite, fixtures, seed};

use crate::event::events;
use crate::filesystems::copy_on_write::{assert_is_jailed, assert_writes_are_the_tenants_own, start_both};
use crate::vassals::{SECOND, UNIT, copy_on_write_machine, get, mounts_on, uwsgi};

/// The hook in place of the one that runs unionfs-fuse; a mount's flags cannot be left out before its data.
const OVERLAY: &str = "hook-pre-jail = mount:overlay overlay /ufs nosuid,nodev \
                       lowerdir=/ns/precise,upperdir=/ns/cow/%(uid),workdir=/ns/cow/work/%(uid)";

/// A machine with two tenants on kernel overlays.
fn tenants(suite: Suite) -> Machine {
    let machine = copy_on_write_machine(suite);
    fixtures::cow_on_tmpfs(&machine);
    machine.must(&["mkdir", "/ns/cow/work/user001", "/ns/cow/work/user002"]);
    let is_union = |line: &&str| line.starts_with("hook-pre-jail = exec:unionfs-fuse");
    let union = seed::COPY_ON_WRITE.lines().find(is_union).unwrap();
    start_both(&machine, &seed::COPY_ON_WRITE.replace(union, OVERLAY));
    machine
}

#[test]
fn two_tenants_stand_on_one_base_by_overlays_of_the_kernel() {
    for suite in Suite::all() {
        let machine = tenants(suite);
        assert_writes_are_the_tenants_own(&machine);
        assert_is_jailed(&machine, 9090);
        assert_is_jailed(&machine, 9091);
        let roots = mounts_on(uwsgi(&machine, UNIT), "/");
        assert!(
            roots
                .iter()
                .any(|line| line.contains("nosuid") && line.contains(" - overlay ")),
            "{roots:?}"
        );
        assert_eq!(mounts_on(machine.leader(), "/ufs"), Vec::<String>::new());
    }
}

#[test]
fn restarting_one_tenant_of_an_overlay_leaves_the_other() {
    for suite in Suite::all() {
        let machine = tenants(suite);
        get(&machine, 9090, "/write?/home/user001/proof");
        let before = machine.unit(SECOND, "MainPID");
        machine.must(&["systemctl", "restart", UNIT]);
        assert_eq!(
            get(&machine, 9090, "/read?/home/user001/proof"),
            "written by base\n"
        );
        assert_eq!(machine.unit(SECOND, "MainPID"), before);
        assert!(
            events(&machine, "VASSAL_MOUNTPOINT=/").is_empty(),
            "an overlay is no FUSE mount and does not fail"
        );
    }
}
