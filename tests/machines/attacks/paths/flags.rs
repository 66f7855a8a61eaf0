//! What hooks mount has no set-user-ID programs and no devices, unless the line says so; and /dev can be private.

use vassal_tests::on_each_suite;

use super::{Tenant, machine};

const MANUAL: &str = include_str!("../../../../packaging/man/vassal.ini.5");

#[test]
fn what_hooks_mount_is_nosuid_and_nodev_unless_the_line_says_otherwise() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.must_sh(
            "cd /srv; mkdir plain both devices bound lifted source; mount -t tmpfs -o nosuid,nodev s source",
        );
        let tenant = Tenant {
            machine: &machine,
            name: "flags",
        };
        tenant.starts(
            "hook-as-root = mount:tmpfs none /srv/plain\n\
             mount-as-root = tmpfs none /srv/both suid,dev mode=755,size=1m\n\
             hook-as-root = mount:devpts none /srv/devices\n\
             hook-as-root = mount:none /srv/source /srv/bound bind,ro\n\
             hook-as-root = mount:none /srv/source /srv/lifted bind,dev\n",
        );
        let pid = machine.pid_of(&tenant.unit(), "sleep");
        let flags = |path: &str| {
            let find = ["findmnt", "--noheadings", "--output=VFS-OPTIONS", path];
            machine.run_inside(pid, &find).stdout.trim().to_owned()
        };
        for (path, expected) in [
            ("/srv/plain", "rw,nosuid,nodev,relatime"),
            ("/srv/both", "rw,relatime"),
            ("/srv/devices", "rw,nosuid,relatime"),
            ("/srv/bound", "ro,nosuid,nodev,relatime"),
            ("/srv/lifted", "rw,nosuid,relatime"),
        ] {
            assert_eq!(flags(path), expected, "{path}");
        }
    });
}

/// The lines of vassal.ini(5) that make a /dev of the vassal's own.
fn recipe() -> String {
    let (_, example) = MANUAL
        .split_once("contains only these devices")
        .unwrap_or_default();
    let lines = example.split(".EE").next().unwrap_or_default().lines();
    let lines: Vec<_> = lines
        .filter(|line| line.contains(" = "))
        .map(|line| line.replace("\\-", "-"))
        .collect();
    assert!(lines.len() > 6, "{lines:?}");
    lines.join("\n") + "\n"
}

#[test]
fn the_private_dev_of_the_manual_has_these_devices_and_they_work() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let tenant = Tenant {
            machine: &machine,
            name: "private",
        };
        tenant.upper("");
        tenant.starts(&format!("{}{}", tenant.overlay(), recipe()));
        let pid = machine.pid_of(&tenant.unit(), "sleep");
        let inside = |script: &str| {
            let user = "setpriv --reuid=20001 --regid=20001 --clear-groups sh -ec";
            let words: Vec<&str> = user.split(' ').chain([script]).collect();
            let output = machine.run_inside(pid, &words);
            assert!(
                output.succeeded(),
                "{output}\n{}",
                machine.run_inside(pid, &["ls", "-l", "/dev"])
            );
            output.stdout
        };
        assert_eq!(inside("ls /dev"), "full\nnull\nrandom\ntty\nurandom\nzero\n");
        assert_eq!(
            inside("echo x >/dev/null; head -c 2 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c"),
            "2\n3\n"
        );
        let mounts = inside("cat /proc/self/mountinfo");
        assert!(!mounts.contains("old_root"), "{mounts}");
    });
}
