//! An app that looks around and tries what it should not be able to do: one attack a line of `tenant.py`.

use std::collections::BTreeMap;

use vassal_tests::{Machine, Owner, fixtures, on_each_suite};

use super::scene::{LIMIT, findings, machine, put, start, tenant};

/// What each attack must end with. Several: kernels and systemds differ in which check comes first.
const REFUSED: [(&str, &[&str]); 26] = [
    ("tiocsti", &["ENOTTY"]),
    ("tiocsti-with-high-bits", &["ENOTTY"]),
    ("tioclinux", &["ENOTTY"]),
    ("ptrace-supervisor", &["EPERM"]),
    ("read-supervisors-memory", &["EACCES", "EPERM"]),
    ("process-vm-readv", &["EPERM"]),
    ("supervisors-environ", &["EACCES", "EPERM"]),
    ("supervisors-maps", &["EACCES", "EPERM"]),
    ("supervisors-exe", &["EACCES", "EPERM"]),
    ("supervisors-auxv", &["EACCES", "EPERM"]),
    ("write-supervisors-exe", &["EACCES", "EPERM"]),
    ("supervisors-descriptors", &["EACCES", "EPERM"]),
    ("supervisors-root", &["EACCES", "EPERM"]),
    ("supervisors-cwd", &["EACCES", "EPERM"]),
    ("kill-supervisor-SIGKILL", &["EPERM"]),
    ("kill-supervisor-SIGSTOP", &["EPERM"]),
    ("kill-supervisor-SIGTERM", &["EPERM"]),
    ("shadow-by-suid", &["denied"]),
    ("shadow-by-fcap", &["denied"]),
    ("cgroup-own", &["EACCES", "EROFS", "ENOENT"]),
    ("cgroup-others", &["EACCES", "EROFS", "ENOENT"]),
    ("cgroup-release-agent", &["EACCES", "EROFS", "ENOENT"]),
    ("cgroup-kill", &["EACCES", "EROFS", "ENOENT"]),
    ("core-pattern", &["EACCES", "EROFS"]),
    ("sysrq", &["EACCES", "EROFS", "EIO", "ENOENT"]),
    ("records", &["EACCES", "ENOENT"]),
];

/// What the app finds around itself.
const AROUND: [(&str, &str); 14] = [
    ("inherited-descriptors", "none"),
    ("SigBlk", "0000000000000000"),
    ("Uid", "20001 20001 20001 20001"),
    ("Gid", "20001 20001 20001 20001"),
    ("Groups", "20001"),
    ("umask", "0o22"),
    ("nice", "0"),
    ("oom_score_adj", "0"),
    ("personality", "00000000"),
    ("leads-session", "True"),
    ("tty", "0"),
    ("stdin", "/dev/null"),
    ("id-by-suid", "20001"),
    ("processes-of-others", "none"),
];

/// Programs that are more than they should be, set-user-id root, and with a capability of its own; and a FUSE filesystem of
/// root's.
pub fn temptations(machine: &Machine) {
    machine.must_sh(
        "cp /bin/cat /srv/attacks/suid; cp /usr/bin/id /srv/attacks/suid-id; chmod 4755 /srv/attacks/suid*; \
         cp /bin/cat /srv/attacks/fcap; chmod 755 /srv/attacks/fcap; \
         python3 -c 'import os, struct; os.setxattr(\"/srv/attacks/fcap\", \"security.capability\", \
         struct.pack(\"<5I\", 0x02000001, 6, 6, 0, 0))'",
    );
    machine.write(
        "/srv/attacks/tenant.py",
        include_str!("tenant.py"),
        0o644,
        Owner::ROOT,
    );
    // A connection that is not the tenant's.
    fixtures::mountpoint(machine, "/srv/zip", Owner::ROOT);
    machine.must(&["fuse-zip", "-r", "/var/www/app001.zip", "/srv/zip"]);
    let numbers: Vec<_> = machine.fuse_connections().iter().map(u32::to_string).collect();
    machine.write("/srv/attacks/connections", numbers.join(" "), 0o644, Owner::ROOT);
    // Without a vassal they do what they are for.
    for program in ["suid", "fcap"] {
        let reader = format!("setpriv --reuid=user001 --clear-groups /srv/attacks/{program} /etc/shadow");
        assert!(machine.must_sh(&reader).contains("root:"), "{program}");
    }
}

pub fn assert_refused(seen: &BTreeMap<String, String>) {
    for (name, expected) in REFUSED {
        let found = seen.get(name).map_or("nothing", String::as_str);
        assert!(expected.contains(&found), "{name}: {found}\n{seen:#?}");
    }
    for (name, expected) in AROUND {
        assert_eq!(
            seen.get(name).map(String::as_str),
            Some(expected),
            "{name}: {seen:#?}"
        );
    }
}

#[test]
fn an_app_finds_nothing_of_roots_and_can_do_nothing_to_its_supervisor_and_its_neighbours() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        temptations(&machine);
        let other = tenant("exec bash -c 'exec -a neighbour sleep infinity'").replace("user001", "user002");
        let neighbour = start(&machine, "neighbour", &other);
        // Groups that the unit was given are not the app's.
        let service = "[Service]\nSupplementaryGroups=4 27\n";
        let text = tenant("python3 /srv/attacks/tenant.py /srv/seen/tenant").replace("gid = user001\n", "");
        let unit = start(&machine, "user001", &format!("{text}{service}"));
        let seen = findings(&machine, "/srv/seen/tenant");
        assert_refused(&seen);
        assert_eq!(seen["fuse-connections"], "EACCES");
        // What it has sent to systemd changed nothing.
        assert_eq!(seen["notify"], "sent");
        let main = machine.unit(&unit, "MainPID");
        for (property, value) in [
            ("ActiveState", "active"),
            ("SubState", "running"),
            ("NRestarts", "0"),
            ("NFileDescriptorStore", "0"),
        ] {
            assert_eq!(machine.unit(&unit, property), value, "{property}");
        }
        assert!(!machine.unit(&unit, "StatusText").contains("evil"));
        let watchdog = machine.pid_of(&unit, "vassal-watchdog");
        assert_eq!(machine.inner_pid(watchdog).map(|pid| pid.to_string()), Some(main));
        assert_eq!(machine.unit(&neighbour, "NRestarts"), "0");
    });
}

#[test]
fn a_change_of_user_that_the_kernel_refuses_starts_nothing() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        for lacking in ["CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"] {
            let service = format!("[Service]\nCapabilityBoundingSet=~{lacking}\n");
            let text = format!("{}{service}", tenant("touch /srv/seen/started; sleep infinity"));
            let unit = put(&machine, "user001", &text);
            assert!(
                !machine.run(&["systemctl", "start", &unit]).succeeded(),
                "{lacking}"
            );
            machine.wait_for_journal(&unit, "cannot", LIMIT);
            machine.must(&["systemctl", "stop", &unit]);
            assert!(!machine.sh("test -e /srv/seen/started").succeeded(), "{lacking}");
        }
    });
}

#[test]
fn a_hook_of_the_users_cannot_look_into_the_process_that_runs_it() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let hook = "exec-as-user = for f in exe mem maps environ fd/0; do head -c1 /proc/$PPID/$f >/dev/null 2>&1 && echo read-$f ok; \
                    (: >>/proc/$PPID/$f) 2>/dev/null && echo write-$f ok; done >/srv/seen/hook; echo done yes >>/srv/seen/hook";
        let text = tenant("sleep infinity").replace("[vassal]", &format!("{hook}\n[vassal]"));
        start(&machine, "user001", &text);
        let seen = findings(&machine, "/srv/seen/hook");
        assert_eq!(seen.keys().collect::<Vec<_>>(), ["done"], "{seen:?}");
        let after = machine.must_sh("dpkg --verify vassal");
        assert!(!after.contains("/usr/lib/vassal"), "{after}");
    });
}
