//! The old root after pivot_root, and what a tenant does to keep it in sight.

use vassal_tests::on_each_suite;

use super::{Tenant, machine};

/// The lines of the documented vassal after those of the overlay.
const JAIL: &str =
    "hook-as-root = mount:none /.old_root/dev /dev bind\nhook-as-root = umount:/.old_root rec,detach\n";

/// A tenant, what fills his upper directory, and what the refusal says.
const TENANTS: &[(&str, &str, &[&str])] = &[
    (
        "dev",
        "ln -s /.old_root dev; chown -h user001: dev",
        &["dev.ini:7: as-root hook", "on '/dev'", "a symbolic link"],
    ),
    (
        "proc",
        "ln -s /tmp proc; chown -h user001: proc",
        &["proc.ini:6: as-root hook", "on '/proc'", "a symbolic link"],
    ),
    (
        "old",
        "ln -s /tmp .old_root; chown -h user001: .old_root",
        &["old.ini:5: pivot_root", "is a symbolic link"],
    ),
    (
        "file",
        ": >.old_root; chown user001: .old_root",
        &["file.ini:5: pivot_root", "is not a directory"],
    ),
];

#[test]
fn no_link_of_a_tenants_keeps_the_old_root_in_sight() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        for (name, fill, says) in TENANTS {
            let tenant = Tenant {
                machine: &machine,
                name,
            };
            tenant.upper(fill);
            tenant.is_refused(&format!("{}{JAIL}", tenant.overlay()), says);
            tenant.stops();
        }
        let tenant = Tenant {
            machine: &machine,
            name: "plain",
        };
        tenant.upper("");
        tenant.starts(&format!("{}{JAIL}", tenant.overlay()));
        let pid = machine.pid_of(&tenant.unit(), "sleep");
        let mounts = machine.run_inside(pid, &["cat", "/proc/self/mountinfo"]).stdout;
        assert!(!mounts.contains("old_root"), "{mounts}");
    });
}

#[test]
fn an_old_root_that_is_still_there_after_its_unmounting_is_no_start() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let tenant = Tenant {
            machine: &machine,
            name: "covered",
        };
        tenant.upper("");
        let cover =
            "hook-as-root = mount:tmpfs none /.old_root\nhook-as-root = umount:/.old_root rec,detach\n";
        tenant.is_refused(
            &format!("{}{cover}", tenant.overlay()),
            &[
                "covered.ini:8: as-root hook 'umount:/.old_root rec,detach'",
                "the old root is still mounted",
            ],
        );
        // Both taken away, one after the other.
        let both = format!("{cover}hook-as-root = umount:/.old_root rec,detach\n");
        tenant.starts(&format!("{}{both}", tenant.overlay()));
    });
}
