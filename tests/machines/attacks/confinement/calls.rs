//! The system calls of an app: what its own filter and that of the unit deny, and how an administrator allows it again.

use std::collections::BTreeMap;

use vassal_tests::on_each_suite;

use super::scene::{findings, machine, start, tenant};

const EPERM: &str = "1";
const ENOSYS: &str = "38";
/// Ended by SIGSYS.
const KILLED: &str = "-31";
const WORKS: &str = "0";

/// What only the app's filter denies.
const APPS_OWN: [&str; 24] = [
    "add_key",
    "clone-user",
    "delete_module",
    "finit_module",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "init_module",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "mount",
    "mount_setattr",
    "move_mount",
    "open_tree",
    "open_tree_attr",
    "perf_event_open",
    "pivot_root",
    "request_key",
    "setns",
    "umount2",
    "unshare-user",
    "unshare-user-and-mount",
];
/// What the unit's filter denies to everything in the unit.
const UNITS: [&str; 4] = ["bpf", "userfaultfd", "io_uring_setup", "swapon"];

fn assert_each(seen: &BTreeMap<String, String>, names: &[&str], expected: &str) {
    for name in names {
        assert_eq!(
            seen.get(*name).map(String::as_str),
            Some(expected),
            "{name}: {seen:?}"
        );
    }
}

#[test]
fn an_app_can_call_nothing_that_no_app_needs_and_no_other_abi_is_a_way_around() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        start(
            &machine,
            "denied",
            &tenant("python3 /srv/attacks/calls.py /srv/seen/denied stay"),
        );
        let seen = findings(&machine, "/srv/seen/denied");
        assert_each(&seen, &APPS_OWN, EPERM);
        assert_each(&seen, &UNITS, EPERM);
        assert_each(&seen, &["clone3"], ENOSYS);
        assert_each(&seen, &["getpid", "clone-plain"], WORKS);
        assert_each(&seen, &["i386", "x32-mount", "x32-kexec"], KILLED);
        assert_eq!((&*seen["Seccomp"], &*seen["NoNewPrivs"]), ("2", "1"), "{seen:?}");

        // Without the unit's protection the app's own stands.
        let open = "[Service]\nSystemCallFilter=\nSystemCallArchitectures=\n";
        let attack = "python3 /srv/attacks/calls.py /srv/seen/own stay";
        start(&machine, "own", &format!("{}{open}", tenant(attack)));
        let seen = findings(&machine, "/srv/seen/own");
        assert_each(&seen, &APPS_OWN, EPERM);
        assert_each(&seen, &["bpf", "userfaultfd"], EPERM);
        assert_each(&seen, &["clone3", "x32-mount", "x32-kexec"], ENOSYS);
        assert_each(&seen, &["i386"], KILLED);

        // An app of root's has root's capabilities, and the filter all the same.
        let root = "[vassal]\ncommand = python3 /srv/attacks/calls.py /srv/seen/root stay\n";
        start(&machine, "root", root);
        let seen = findings(&machine, "/srv/seen/root");
        assert_each(&seen, &APPS_OWN, EPERM);
        assert_ne!(seen["CapEff"], "0000000000000000");
    });
}

#[test]
fn what_is_denied_can_be_allowed_for_one_vassal() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let attack = "python3 /srv/attacks/calls.py /srv/seen/off stay\nseccomp = off";
        start(&machine, "off", &tenant(attack));
        let seen = findings(&machine, "/srv/seen/off");
        assert_each(
            &seen,
            &["unshare-user", "unshare-user-and-mount", "clone-user"],
            WORKS,
        );
        assert!(
            [&seen["keyctl"], &seen["clone3"]]
                .iter()
                .all(|errno| *errno == "22"),
            "{seen:?}"
        );
        assert_each(&seen, &UNITS, EPERM);

        let open = "[Service]\nSystemCallFilter=\nSystemCallArchitectures=\n";
        let attack = "python3 /srv/attacks/calls.py /srv/seen/open stay\nseccomp = off";
        start(&machine, "open", &format!("{}{open}", tenant(attack)));
        let seen = findings(&machine, "/srv/seen/open");
        assert_each(&seen, &["unshare-user", "i386"], WORKS);
        assert!(
            [&seen["bpf"], &seen["io_uring_setup"]]
                .iter()
                .all(|errno| *errno != EPERM),
            "{seen:?}"
        );
        assert_eq!(seen["NoNewPrivs"], "1");
    });
}
