//! The copy-on-write root with fuse-overlayfs, as vassal.ini(5) has it for Debian 13.

use vassal_tests::{Machine, Signal, Suite};

use crate::event::wait_for_verdict;
use crate::filesystems::copy_on_write::{assert_is_jailed, assert_writes_are_the_tenants_own, start_both};
use crate::vassals::{UNIT, copy_on_write_machine, get, mounts_on, uwsgi, wait_restarted};

const PAGE: &str = include_str!("../../../../packaging/man/vassal.ini.5");

/// The recipe's commands from the one that makes the directories on; what is before that, a Debian with a user and an app, the
/// machine has.
fn recipe() -> String {
    let heading = ".SS A copy-on-write root with fuse-overlayfs\n";
    let (_, section) = PAGE.split_once(heading).unwrap();
    let (_, example) = section.split_once("\n.EX\n").unwrap();
    let (example, _) = example.split_once("\n.EE\n").unwrap();
    let text = example.replace("\\-", "-").replace("\\(aq", "'");
    assert!(
        !text.contains('\\'),
        "an escape of roff that this test does not know: {text}"
    );
    let is_done = |line: &&str| !line.starts_with("mkdir ");
    let lines: Vec<_> = text.lines().skip_while(is_done).collect();
    let (last, commands) = lines.split_last().unwrap();
    assert!(last.starts_with("curl "), "{last}");
    commands.join("\n")
}

/// A machine with the recipe's tenant and another one beside him.
fn tenants() -> Machine {
    let machine = copy_on_write_machine(Suite::Trixie);
    machine.must_sh(&recipe());
    get(&machine, 9090, "/");
    machine.must_sh("systemctl stop vassal@user001; mkdir -p /ns/cow/user002 /ns/work/user002");
    start_both(&machine, &machine.read_text("/etc/uwsgi/vassals/user001.ini"));
    machine
}

#[test]
fn the_recipe_for_debian_13_gives_each_tenant_a_root_that_lives_stops_and_recovers() {
    if !Suite::all().contains(&Suite::Trixie) {
        return;
    }
    let machine = tenants();
    assert_writes_are_the_tenants_own(&machine);
    assert_is_jailed(&machine, 9090);
    let roots = mounts_on(uwsgi(&machine, UNIT), "/");
    assert!(
        roots.iter().any(|line| line.contains(" - fuse.fuse-overlayfs ")),
        "{roots:?}"
    );
    assert!(machine.kill(machine.pid_of(UNIT, "fuse-overlayfs"), Signal::SIGKILL));
    wait_for_verdict(&machine, "dead");
    wait_restarted(&machine, UNIT, 9090, 1);
    assert_eq!(
        get(&machine, 9090, "/read?/home/user001/proof"),
        "written by base\n"
    );
    machine.must(&["systemctl", "stop", "vassal@*"]);
    let journal = machine.journal(UNIT);
    assert!(!journal.contains("did not"), "{journal}");
    assert_eq!(machine.unit(UNIT, "Result"), "success", "{journal}");
    assert_eq!(machine.fuse_connections(), [].into());
}
