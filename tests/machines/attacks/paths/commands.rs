//! Commands of root's in a root directory that a tenant can change.

use vassal_tests::{Machine, Suite, on_each_suite};

use super::{Tenant, machine};

/// A command of root's, which proves on the host that it ran with a capability.
const MARK: &str = "exec-as-root = mkdir /.old_root/srv/proof/NAME\n";

/// A tenant, what fills his upper directory or root, his lines instead of the overlay's, and what the refusal says.
const ROOTS: &[(&str, &str, &str, &[&str])] = &[
    (
        "shell",
        "mkdir -p usr/bin; cp /bin/sh usr/bin/sh; chown -R user001: usr",
        "",
        &[
            "shell.ini:7: as-root hook",
            "belongs to user 20001",
            "trust-root = true",
        ],
    ),
    (
        "preload",
        "mkdir -p etc; echo /tmp/x.so >etc/ld.so.preload; chown root: . etc; chown user001: etc/ld.so.preload",
        "",
        &[
            "preload.ini:7: as-root hook",
            "'/etc/ld.so.preload' belongs to user 20001",
        ],
    ),
    (
        "top",
        "",
        "",
        &["top.ini:7: as-root hook", "belongs to user 20001"],
    ),
    (
        "open",
        "chown root: .; mkdir -p -m 777 usr/lib",
        "",
        &["open.ini:7: as-root hook", "can be written by others"],
    ),
    (
        "layered",
        "chown root: .; mkdir -p /srv/lower/etc; chown -R user001: /srv/lower",
        "hook-pre-jail = mount:overlay overlay /ufs nosuid lowerdir=/srv/lower:/ns/precise,upperdir=/ns/cow/layered,workdir=/ns/cow/work/layered\n\
         pivot_root = /ufs /ufs/.old_root\nhook-as-root = mount:proc none /proc\n",
        &[
            "layered.ini:7: as-root hook",
            "in its layer '/srv/lower'",
            "belongs to user 20001",
        ],
    ),
    (
        "bound",
        "mkdir -p /srv/bound/proc /srv/bound/.old_root; chown user001: /srv/bound",
        "hook-pre-jail = mount:none /srv/bound /ufs bind\npivot_root = /ufs /ufs/.old_root\nhook-as-root = mount:proc none /proc\n",
        &["bound.ini:7: as-root hook", "'/' belongs to user 20001"],
    ),
    (
        "linked",
        "mkdir -p /srv/linked/proc /srv/linked/.old_root /srv/linked/home/user001/bin; \
         cp /bin/sh /srv/linked/home/user001/bin; chown -R user001: /srv/linked/home/user001; \
         ln -s home/user001/bin /srv/linked/bin",
        "hook-pre-jail = mount:none /srv/linked /ufs bind\npivot_root = /ufs /ufs/.old_root\nhook-as-root = mount:proc none /proc\n",
        &[
            "linked.ini:7: as-root hook",
            "'/home/user001' belongs to user 20001",
        ],
    ),
];

fn proof(machine: &Machine, name: &str) -> bool {
    machine
        .run(&["test", "-e", &format!("/srv/proof/{name}")])
        .succeeded()
}

fn prepared(suite: Suite) -> Machine {
    let machine = machine(suite);
    machine.must_sh("mkdir /srv/proof");
    machine
}

#[test]
fn no_command_of_roots_runs_in_a_root_that_a_tenant_can_change() {
    on_each_suite(|suite| {
        let machine = prepared(suite);
        for (name, fill, lines, says) in ROOTS {
            let tenant = Tenant {
                machine: &machine,
                name,
            };
            tenant.upper(fill);
            let root = if lines.is_empty() {
                tenant.overlay()
            } else {
                (*lines).to_owned()
            };
            for mark in [
                MARK,
                "hook-as-root = exec:mkdir /.old_root/srv/proof/NAME; true\n",
            ] {
                tenant.is_refused(&format!("{root}{}", mark.replace("NAME", name)), says);
                tenant.is_final();
                assert!(!proof(&machine, name), "{name}");
            }
        }
        let chroot = Tenant {
            machine: &machine,
            name: "chroot",
        };
        chroot.is_refused(
            "chroot = /srv/bound\nexec-as-root = true\n",
            &["chroot.ini:5: as-root hook"],
        );
    });
}

#[test]
fn commands_of_roots_run_in_a_root_of_roots_and_where_the_administrator_trusts_it() {
    on_each_suite(|suite| {
        let machine = prepared(suite);
        let own = Tenant {
            machine: &machine,
            name: "own",
        };
        own.upper("chown root: .");
        own.starts(&format!("{}{}", own.overlay(), MARK.replace("NAME", "own")));
        assert!(proof(&machine, "own"));
        let trusted = Tenant {
            machine: &machine,
            name: "trusted",
        };
        trusted.upper("");
        trusted.starts(&format!(
            "{}{}[vassal]\ntrust-root = true\n",
            trusted.overlay(),
            MARK.replace("NAME", "trusted")
        ));
        assert!(proof(&machine, "trusted"));
    });
}

#[test]
fn a_program_of_a_tenants_is_not_run_by_root_in_a_root_of_roots() {
    on_each_suite(|suite| {
        let machine = prepared(suite);
        let tenant = Tenant {
            machine: &machine,
            name: "program",
        };
        tenant.upper(
            "chown root: .; mkdir -p home/user001 opt; printf '#!/bin/sh\\nmkdir /.old_root/srv/proof/program\\n' >home/user001/app; \
             printf '#!/home/user001/app\\n' >opt/script; chmod 755 home/user001/app opt/script; chown -R user001: home/user001",
        );
        for (command, says) in [
            (
                "exec-as-root = /home/user001/app\n",
                "'/home/user001' belongs to user 20001",
            ),
            (
                "exec-as-root = /opt/script\n",
                "'/home/user001' belongs to user 20001",
            ),
            (
                "binsh = /home/user001/app\nexec-as-root = true\n",
                "'/home/user001' belongs to user 20001",
            ),
        ] {
            tenant.is_refused(&format!("{}{command}", tenant.overlay()), &["as-root hook", says]);
            assert!(!proof(&machine, "program"), "{command}");
        }
    });
}

#[test]
fn no_command_of_roots_runs_in_a_root_that_a_daemon_shows() {
    on_each_suite(|suite| {
        let machine = prepared(suite);
        let tenant = Tenant {
            machine: &machine,
            name: "union",
        };
        tenant.upper("chown root: .");
        let union = match suite {
            Suite::Bookworm => {
                "exec-pre-jail = unionfs-fuse -ocow,chroot=/ns,default_permissions,allow_other /precise=RO:/cow/union=RW /ufs\n"
            }
            Suite::Trixie => "exec-pre-jail = exec fuse-overlayfs -o allow_other,lowerdir=/ns/precise /ufs\n",
        };
        let lines = format!(
            "{union}pivot_root = /ufs /ufs/.old_root\nexec-as-root = mkdir /.old_root/srv/proof/union\n"
        );
        tenant.is_refused(
            &lines,
            &["as-root hook", "'/ufs' is a FUSE filesystem", "trust-root"],
        );
        assert!(!proof(&machine, "union"));
    });
}
