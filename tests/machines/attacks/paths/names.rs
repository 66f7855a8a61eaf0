//! Who the vassal's user is, where the tenant owns the root directory in which names are looked up.

use vassal_tests::{Machine, on_each_suite};

use super::{Tenant, machine};

/// What a tenant can have root write: a file of root's with lines of his.
const LIES: &str = "mkdir -p /srv/lies; echo 'user001:x:20002:20002::/:/bin/sh' >/srv/lies/passwd
    printf 'root:x:0:user001\\ndisk:x:6:user001\\nshadow:x:42:user001\\nuser001:x:20001:\\n' >/srv/lies/group
    cp -a /srv/lies /ns/precise/srv/\n";

/// A tenant, what fills his upper directory, and what the refusal says.
const LIARS: &[(&str, &str, &[&str])] = &[
    (
        "linked",
        "mkdir etc; ln -s /srv/lies/passwd etc/passwd; chown -hR user001: etc",
        &[
            "linked.ini:2: cannot read '/etc/passwd'",
            "a symbolic link that is not root's",
        ],
    ),
    (
        "sockets",
        "mkdir etc; ln -s /proc/net/unix etc/passwd; chown -hR user001: etc",
        &[
            "sockets.ini:2: cannot read '/etc/passwd'",
            "a symbolic link that is not root's",
        ],
    ),
    (
        "replaced",
        "mkdir etc; cp /srv/lies/passwd etc/; chown user001: etc",
        &[
            "replaced.ini:2: ",
            "20002:20001 in the vassal's own root and 20001:20001 on the host",
            "belongs to user 20001",
        ],
    ),
    (
        "renamed",
        "cp -a /srv/lies etc",
        &[
            "renamed.ini:2: ",
            "20002:20001 in the vassal's own root and 20001:20001 on the host",
            "belongs to user 20001",
        ],
    ),
    (
        "piped",
        "mkdir etc; mkfifo etc/passwd; chown -R user001: etc",
        &["piped.ini:2: cannot read '/etc/passwd'", "no regular file"],
    ),
    (
        "device",
        "mkdir etc; mknod etc/passwd c 1 5; chown user001: etc",
        &["device.ini:2: cannot read '/etc/passwd'", "no regular file"],
    ),
];

fn status(machine: &Machine, tenant: &Tenant<'_>, field: &str) -> String {
    let pid = machine.pid_of(&tenant.unit(), "sleep");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn names_in_a_root_of_the_tenants_make_him_nobody_else() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.must_sh(LIES);
        for (name, fill, says) in LIARS {
            let tenant = Tenant {
                machine: &machine,
                name,
            };
            tenant.upper(fill);
            tenant.is_refused(&tenant.overlay(), says);
            tenant.is_final();
        }
    });
}

#[test]
fn groups_that_only_a_root_of_the_tenants_gives_are_left_out() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.must_sh(LIES);
        let tenant = Tenant {
            machine: &machine,
            name: "grouped",
        };
        tenant.upper("mkdir etc; cp /etc/passwd etc/; cp /srv/lies/group etc/; chown user001: etc");
        tenant.starts(&tenant.overlay());
        assert_eq!(status(&machine, &tenant, "Groups:"), "20001");
        assert_eq!(status(&machine, &tenant, "Uid:"), "20001 20001 20001 20001");
        let journal = machine.journal(&tenant.unit());
        assert!(
            journal.contains("group 6 is in the vassal's own root only"),
            "{journal}"
        );
        tenant.stops();
        // In a root that is root's alone its own groups count, but never root's.
        machine.must_sh("mkdir /srv/own; cp /srv/lies/group /ns/precise/etc/group");
        let tenant = Tenant {
            machine: &machine,
            name: "bound",
        };
        tenant.starts("chroot = /ns/precise\n");
        assert_eq!(status(&machine, &tenant, "Groups:"), "6 42 20001");
        tenant.stops();
        tenant.write(
            "uid = user001\ngid = user001\nadd-gid = zero\n",
            "chroot = /ns/precise\n",
        );
        machine.must_sh("echo zero:x:0: >>/ns/precise/etc/group");
        tenant.is_refused_as_written(&["bound.ini:4: the group 'zero' is 0 in the vassal's own root"]);
    });
}

#[test]
fn names_in_a_root_of_roots_that_a_tenant_can_swap_make_him_nobody_else() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.must_sh(LIES);
        machine.must_sh(
            "mkdir /srv/home; chown user001: /srv/home; cp -a /ns/precise /srv/home/root; cp /srv/lies/passwd /srv/home/root/etc/",
        );
        let tenant = Tenant {
            machine: &machine,
            name: "swapped",
        };
        let says = [
            "swapped.ini:2: ",
            "20002:20001 in the vassal's own root and 20001:20001 on the host",
            "'/srv/home' belongs to user 20001",
        ];
        tenant.is_refused("chroot = /srv/home/root\n", &says);
        machine.must_sh("cp /etc/passwd /srv/home/root/etc/");
        tenant.starts("chroot = /srv/home/root\n");
        assert_eq!(status(&machine, &tenant, "Uid:"), "20001 20001 20001 20001");
    });
}

#[test]
fn a_user_that_only_a_root_of_the_tenants_knows_takes_a_number() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let tenant = Tenant {
            machine: &machine,
            name: "inner",
        };
        tenant.upper(
            "mkdir etc; echo inner:x:20002:20002::/:/bin/sh >etc/passwd; echo inner:x:20002: >etc/group",
        );
        tenant.write("uid = inner\ngid = inner\n", &tenant.overlay());
        tenant.is_refused_as_written(&[
            "inner.ini:2: the host does not know who is meant",
            "write numbers",
        ]);
        tenant.write("uid = 20001\ngid = 20001\n", &tenant.overlay());
        machine.must(&["systemctl", "start", &tenant.unit()]);
        assert_eq!(status(&machine, &tenant, "Uid:"), "20001 20001 20001 20001");
    });
}
