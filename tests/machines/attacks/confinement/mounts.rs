//! FUSE filesystems of a tenant's: their flags, their number, and archives that are meant to harm.

use std::fs;

use vassal_tests::{Machine, Owner, Pid, Signal, on_each_suite, seed};

use super::scene::{LIMIT, findings, machine, put, start, tenant};

/// What makes an archive of entries that point out of it, and one that is none.
const ARCHIVES: &str = r#"
import zipfile, stat
with zipfile.ZipFile('/var/www/evil.zip', 'w') as archive:
    for name in ['../../srv/seen/escaped', '/srv/seen/absolute', 'name', 'myapp.pl']:
        archive.writestr(name, 'evil')
    link = zipfile.ZipInfo('link')
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(link, '/etc/shadow')
    device = zipfile.ZipInfo('device')
    device.create_system = 3
    device.external_attr = (stat.S_IFBLK | 0o666) << 16
    archive.writestr(device, '')
    suid = zipfile.ZipInfo('suid')
    suid.create_system = 3
    suid.external_attr = (stat.S_IFREG | 0o4755) << 16
    archive.writestr(suid, open('/bin/cat', 'rb').read())
open('/var/www/broken.zip', 'wb').write(b'PK\3\4' + b'\377' * 100)
"#;

fn mount_of(pid: Pid, path: &str) -> String {
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let on = |line: &&str| line.split(' ').nth(4) == Some(path);
    mounts.lines().find(on).unwrap_or_default().to_owned()
}

#[test]
fn what_a_user_mounts_is_nosuid_and_nodev_whatever_he_asks_for_and_no_archive_reaches_beyond_itself() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.write("/srv/attacks/archives.py", ARCHIVES, 0o644, Owner::ROOT);
        machine.must(&["python3", "/srv/attacks/archives.py"]);
        let hook = "exec-as-user = fuse-zip -r -o suid,dev /var/www/evil.zip /app\nmountpoint-check = /app\n[vassal]";
        let look = "(cat /app/link; /app/suid /etc/shadow; cat /app/device) >/srv/seen/content 2>/dev/null; \
                    echo looked yes >/srv/seen/evil; exec sleep infinity";
        let unit = start(&machine, "evil", &tenant(look).replace("[vassal]", hook));
        assert_eq!(findings(&machine, "/srv/seen/evil")["looked"], "yes");
        assert_eq!(machine.read_text("/srv/seen/content"), "");
        let line = mount_of(machine.pid_of(&unit, "sleep"), "/app");
        assert!(line.contains("nosuid") && line.contains("nodev"), "{line}");
        for path in ["/srv/seen/escaped", "/srv/seen/absolute"] {
            assert!(!machine.run(&["test", "-e", path]).succeeded(), "{path}");
        }
        machine.must(&["systemctl", "stop", &unit]);

        let broken = hook.replace("evil", "broken");
        let unit = put(
            &machine,
            "broken",
            &tenant("sleep infinity").replace("[vassal]", &broken),
        );
        assert!(!machine.run(&["systemctl", "start", &unit]).succeeded());
        machine.wait_for_journal(
            &unit,
            "broken.ini:4: as-user hook 'fuse-zip -r -o suid,dev /var/www/broken.zip /app'",
            LIMIT,
        );
        machine.must(&["systemctl", "stop", &unit]);
    });
}

#[test]
fn too_many_filesystems_are_a_failed_hook_that_names_the_limit() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.write("/etc/fuse.conf", "mount_max = 1\n", 0o644, Owner::ROOT);
        for number in 0..3 {
            machine.make_dir(format!("/srv/many/{number}"), 0o755, Owner::USER001);
        }
        let hooks: String = (0..3)
            .map(|number| format!("exec-as-user = fuse-zip -r /var/www/app001.zip /srv/many/{number}\n"))
            .collect();
        let unit = put(
            &machine,
            "many",
            &tenant("sleep infinity").replace("[vassal]", &format!("{hooks}[vassal]")),
        );
        assert!(!machine.run(&["systemctl", "start", &unit]).succeeded());
        machine.wait_for_journal(&unit, "too many FUSE filesystems mounted; mount_max=", LIMIT);
        machine.must(&["systemctl", "stop", &unit]);
        assert_eq!(machine.unit_pids(&unit), Vec::new());
    });
}

#[test]
fn a_probe_is_its_mounts_owner_and_has_no_capability() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let text = format!("{}[vassal]\nmountpoint-deadline = 10s\n", seed::ZIP_WATCHED);
        let unit = start(&machine, "user001", &text);
        machine.poll_http(9090, "/", LIMIT);
        let watchdog = machine.pid_of(&unit, "vassal-watchdog");
        let daemon = machine.pid_of(&unit, "fuse-zip");
        assert!(machine.kill(daemon, Signal::SIGSTOP));
        let status = machine.wait_for("a probe that waits", LIMIT, || {
            probe_of(&machine, &unit, watchdog)
        });
        for line in [
            "CapPrm:\t0000000000000000",
            "CapEff:\t0000000000000000",
            "CapInh:\t0000000000000000",
        ] {
            assert!(status.contains(line), "{line}\n{status}");
        }
        assert!(status.contains("\t20001"), "{status}");
        assert!(machine.kill(daemon, Signal::SIGCONT));
    });
}

/// The status of a process that the watchdog has forked and that is a user's.
fn probe_of(machine: &Machine, unit: &str, watchdog: Pid) -> Result<String, String> {
    let pids = machine.unit_pids(unit).into_iter().filter(|pid| *pid != watchdog);
    let statuses = pids.filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/status")).ok());
    let mut probes =
        statuses.filter(|status| status.contains("Name:\tvassal-watchdog") && status.contains("\t20001"));
    probes.next().ok_or_else(|| "none".to_owned())
}
