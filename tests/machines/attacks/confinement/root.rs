//! A vassal with a root of its own: no way back to the host's, whatever is mounted there, before, meanwhile and after.

use std::fs;
use std::time::{Duration, Instant};

use vassal_tests::{Machine, Owner, Suite, on_each_suite};

use super::scene::{LIMIT, findings, machine, put, start, tenant};
use super::tenant::{assert_refused, temptations};

/// With as many mounts below the old root as here a start takes some 100 ms; a busy host takes longer.
const START_LIMIT: Duration = Duration::from_secs(10);
/// Mounts of the host's below the old root.
const MANY: usize = 300;

/// The file of a vassal whose root is a bind mount of the machine's, and the old one gone.
fn jailed(command: &str) -> String {
    let pivot = "hook-pre-jail = mount:none / /srv/jail bind\npivot_root = /srv/jail /srv/jail/.old_root\n\
                 hook-as-root = mount:proc none /proc\nhook-as-root = umount:/.old_root rec,detach\n[vassal]";
    tenant(command).replace("[vassal]", pivot)
}

fn machine_with_jail(suite: Suite) -> Machine {
    let machine = machine(suite);
    for directory in ["/srv/jail", "/.old_root"] {
        machine.make_dir(directory, 0o755, Owner::ROOT);
    }
    machine
}

#[test]
fn nothing_of_the_hosts_root_is_left_however_many_and_oddly_named_mounts_it_has() {
    on_each_suite(|suite| {
        let machine = machine_with_jail(suite);
        temptations(&machine);
        let odd = format!(
            "import os, subprocess\nfor n in range({MANY}):\n \
             path = '/srv/odd/a \\\\b\\n\\t%s\\u00e9' % n\n os.makedirs(path)\n \
             subprocess.check_call(['mount', '-t', 'tmpfs', 'odd', path])\n"
        );
        machine.write("/srv/attacks/odd.py", odd, 0o644, Owner::ROOT);
        machine.must(&["python3", "/srv/attacks/odd.py"]);
        let begun = Instant::now();
        let unit = start(
            &machine,
            "user001",
            &jailed("python3 /srv/attacks/tenant.py /srv/seen/jail"),
        );
        assert!(begun.elapsed() < START_LIMIT, "{:?}", begun.elapsed());
        let seen = findings(&machine, "/srv/seen/jail");
        assert_refused(&seen);
        let app = machine.pid_of(&unit, "python3");
        let mounts = fs::read_to_string(format!("/proc/{app}/mountinfo")).unwrap();
        assert!(
            !mounts.contains("odd") && !mounts.contains(".old_root"),
            "{mounts}"
        );
        assert_eq!(
            fs::read_dir(format!("/proc/{app}/root/.old_root"))
                .unwrap()
                .count(),
            0
        );
    });
}

#[test]
fn a_working_directory_by_a_descriptor_or_another_process_leads_nowhere() {
    on_each_suite(|suite| {
        let machine = machine_with_jail(suite);
        let descriptors = (3..24).map(|number| format!("/proc/self/fd/{number}"));
        let others = [
            "/proc/1/cwd",
            "/proc/1/root",
            "/proc/self/root/..",
            "/.old_root/..",
            "/proc/self/cwd",
        ];
        for (index, directory) in descriptors.chain(others.map(str::to_owned)).enumerate() {
            let show = format!("echo cwd $(readlink /proc/self/cwd) >/srv/seen/{index}; exec sleep infinity");
            let text = jailed(&show).replace("[uwsgi]\n", &format!("[uwsgi]\nchdir = {directory}\n"));
            let unit = put(&machine, "user001", &text);
            let started = machine.run(&["systemctl", "start", &unit]);
            if started.succeeded() {
                let cwd = &findings(&machine, &format!("/srv/seen/{index}"))["cwd"];
                assert!(
                    cwd.starts_with('/') && !cwd.contains("old_root"),
                    "{directory}: {cwd}"
                );
                let app = machine.pid_of(&unit, "sleep");
                let [root, cwd] = ["root/etc/hostname", "cwd/../../../etc/hostname"]
                    .map(|path| fs::metadata(format!("/proc/{app}/{path}")).ok());
                assert_eq!(root.is_some(), cwd.is_some(), "{directory}");
            }
            machine.must(&["systemctl", "stop", &unit]);
        }
    });
}

#[test]
fn mounts_that_come_and_go_on_the_host_fail_no_start_and_are_seen_inside_as_on_the_host() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let unit = put(&machine, "user001", &tenant("sleep infinity"));
        machine.must_sh(
            "mkdir -p /srv/busy /srv/late; (while test ! -e /srv/enough; do mount -t tmpfs busy /srv/busy; \
             umount /srv/busy; done) >/dev/null 2>&1 &",
        );
        for _ in 0..15 {
            machine.must(&["systemctl", "start", &unit]);
            machine.must(&["systemctl", "stop", &unit]);
        }
        machine.must(&["touch", "/srv/enough"]);
        machine.must(&["systemctl", "start", &unit]);
        let app = machine.pid_of(&unit, "sleep");
        let sees = || {
            fs::read_to_string(format!("/proc/{app}/mountinfo"))
                .unwrap()
                .contains(" /srv/late ")
        };
        // Slaves of the host's (NS-2): what it mounts later comes in, and goes with it.
        for (command, expected) in [
            ("mount -t tmpfs late /srv/late", true),
            ("umount /srv/late", false),
        ] {
            machine.must_sh(command);
            machine.wait_for(command, LIMIT, || {
                (sees() == expected).then_some(()).ok_or("not so")
            });
        }
    });
}

#[test]
fn a_mountpoint_of_any_bytes_is_told_in_one_plain_line_and_one_that_is_too_long_is_refused() {
    // As the INI has it: `%%` is one `%`.
    const ODD: &[u8] = b"/srv/a %% b\\c\xff\xc3\xa9\x1b[31m";
    const INSIDE: &str = "$(printf '/srv/a %% b\\\\c\\377\\303\\251\\033[31m')";
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.must_sh(&format!("mkdir \"{INSIDE}\""));
        let mount = "exec-as-root = mount -t tmpfs odd /srv/a[!t]*\nmountpoint-check = ";
        let text = tenant("sleep infinity");
        let (head, tail) = text.split_once("[vassal]").unwrap();
        let text = [
            head.as_bytes(),
            mount.as_bytes(),
            ODD,
            b"\n[vassal]",
            tail.as_bytes(),
        ]
        .concat();
        machine.write("/etc/uwsgi/vassals/odd.ini", text, 0o644, Owner::ROOT);
        machine.must(&["systemctl", "daemon-reload"]);
        let unit = "vassal@odd.service";
        machine.must(&["systemctl", "start", unit]);
        let app = machine.pid_of(unit, "sleep");
        // The verdict ends this shell too, maybe before it can say so.
        machine.run_inside(app, &["sh", "-c", &format!("umount \"{INSIDE}\"")]);
        let line = machine.wait_for_journal(unit, "gone", LIMIT);
        assert!(
            line.contains("mountpoint-check: /srv/a % b") && !line.contains('\x1b'),
            "{line}"
        );
        machine.wait_for_unit(unit, "NRestarts", "1", LIMIT);
        let status = machine.unit(unit, "StatusText");
        assert!(
            status.chars().all(|character| !character.is_control()),
            "{status:?}"
        );

        let long = format!("mountpoint-check = /{}\n[vassal]", "a/".repeat(4000));
        let unit = put(
            &machine,
            "long",
            &tenant("sleep infinity").replace("[vassal]", &long),
        );
        assert!(!machine.run(&["systemctl", "start", &unit]).succeeded());
        let line = machine.wait_for_journal(&unit, "long.ini:4: mountpoint-check", LIMIT);
        assert_eq!(machine.unit(&unit, "ExecMainStatus"), "78", "{line}");
    });
}
