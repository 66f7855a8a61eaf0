//! Links and other things that a tenant puts where root's hooks work.

use vassal_tests::{AS_USER001, Machine, Owner, fixtures, on_each_suite};

use super::{Tenant, machine};

/// What root must not reach: as it is before and after, in one line each.
const PRECIOUS: &str = "stat -c '%n %a %u:%g' /srv/precious /srv/precious/file /srv/precious/empty; \
    cat /srv/precious/file; ls /srv/precious; grep -c /srv/precious /proc/self/mountinfo || true";

const NOT_FOLLOWED: &str = "a symbolic link that is not root's";

/// Lines that would reach it through the tenant's links, and what is told. /srv/tenant/in is a link to /srv/precious, and
/// /srv/tenant/to one to its file.
const LINES: &[(&str, &str)] = &[
    ("hook-as-root = chmod:/srv/tenant/to 777", NOT_FOLLOWED),
    ("hook-as-root = chmod:/srv/tenant/in/file 777", NOT_FOLLOWED),
    ("hook-as-root = sticky:/srv/tenant/in", NOT_FOLLOWED),
    (
        "hook-as-root = chown:/srv/tenant/to user001 user001",
        NOT_FOLLOWED,
    ),
    (
        "hook-as-root = chown2:/srv/tenant/in/file 20001 20001",
        NOT_FOLLOWED,
    ),
    ("hook-as-root = mkdir:/srv/tenant/in/made", NOT_FOLLOWED),
    ("hook-as-root = unlink:/srv/tenant/in/file", NOT_FOLLOWED),
    ("hook-as-root = create:/srv/tenant/in/created", NOT_FOLLOWED),
    ("hook-as-root = appendn:/srv/tenant/to x", NOT_FOLLOWED),
    ("hook-as-root = chdir:/srv/tenant/in", NOT_FOLLOWED),
    ("hook-as-root = mount:tmpfs none /srv/tenant/in", NOT_FOLLOWED),
    (
        "hook-as-root = mount:tmpfs none /srv/tenant/in/empty",
        NOT_FOLLOWED,
    ),
    (
        "hook-as-root = mount:none /srv/tenant/in /srv/tenant/own bind",
        NOT_FOLLOWED,
    ),
    (
        "hook-as-root = mount:none /srv/tenant/own /srv/tenant/in bind",
        NOT_FOLLOWED,
    ),
    (
        "hook-as-root = mount:none none /srv/tenant/in/mounted remount,bind,ro",
        NOT_FOLLOWED,
    ),
    (
        "hook-as-root = umount:/srv/tenant/in/mounted detach",
        NOT_FOLLOWED,
    ),
    ("umount-as-root = /srv/tenant/in/mounted rec", NOT_FOLLOWED),
    ("chroot = /srv/tenant/in", NOT_FOLLOWED),
    ("wait-for-file = /srv/tenant/to", NOT_FOLLOWED),
    ("wait-for-dir = /srv/tenant/in", NOT_FOLLOWED),
    ("wait-for-fs = /srv/tenant/in/file", NOT_FOLLOWED),
    ("wait-for-mountpoint = /srv/tenant/in/mounted", NOT_FOLLOWED),
    ("hook-as-root = wait_for_dir:/srv/tenant/in/empty", NOT_FOLLOWED),
    (
        "hook-as-root = wait_for_socket:/srv/tenant/in/socket",
        NOT_FOLLOWED,
    ),
    (
        "hook-as-root = write:/srv/tenant/fifo x",
        "neither a regular file nor",
    ),
    ("logto = /srv/tenant/device", "neither a regular file nor"),
    (
        "hook-as-root = chown:/srv/tenant/hard user001 user001",
        "hard links",
    ),
    ("hook-as-root = chmod:/srv/tenant/hard 777", "hard links"),
    ("hook-as-root = write:/srv/tenant/hard x", "hard links"),
];

fn prepared(machine: &Machine) {
    machine.must_sh(
        "mkdir -p /srv/precious/empty /srv/precious/mounted /srv/tenant/own; echo precious >/srv/precious/file
         mount -t tmpfs none /srv/precious/mounted; mkfifo /srv/tenant/fifo; mknod /srv/tenant/device c 1 5
         ln -s /srv/precious /srv/tenant/in; ln -s /srv/precious/file /srv/tenant/to; ln /srv/precious/file /srv/tenant/hard
         chown -h user001: /srv/tenant /srv/tenant/in /srv/tenant/to /srv/tenant/own /srv/tenant/fifo",
    );
}

#[test]
fn no_hook_of_roots_follows_a_link_of_a_tenants() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        prepared(&machine);
        let before = machine.must_sh(PRECIOUS);
        for (at, (line, says)) in LINES.iter().enumerate() {
            let name = format!("link{at}");
            let tenant = Tenant {
                machine: &machine,
                name: &name,
            };
            tenant.write("uid = user001\ngid = user001\n", &format!("{line}\n"));
            let started = machine.run(&["systemctl", "start", &tenant.unit()]);
            assert!(!started.succeeded(), "{line}");
            let journal = machine.journal(&tenant.unit());
            let told = journal
                .lines()
                .find(|told| told.contains(&format!("{name}.ini:4: ")) && told.contains(says));
            assert!(told.is_some(), "{line}: {journal}");
            machine.must(&["systemctl", "stop", &tenant.unit()]);
            assert_eq!(machine.must_sh(PRECIOUS), before, "{line}");
        }
    });
}

#[test]
fn links_of_roots_lead_root_on() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        prepared(&machine);
        machine.must_sh("ln -s precious /srv/roots");
        let tenant = Tenant {
            machine: &machine,
            name: "roots",
        };
        tenant.starts(
            "hook-as-root = mkdir:/srv/roots/made\nhook-as-root = chown:/srv/roots/made user001 user001\n\
             hook-as-root = mount:tmpfs none /srv/roots/empty\nhook-as-root = umount:/srv/roots/empty\n\
             hook-as-root = mount:tmpfs none /srv/roots/empty\nhook-as-root = mkdir:/srv/precious/empty/below\n\
             hook-as-root = mount:tmpfs none /srv/precious/empty/below\n\
             umount-as-root = /srv/roots/empty rec\nhook-as-root = writen:/srv/roots/made/text yes\n",
        );
        assert_eq!(
            machine.must_sh("cat /srv/precious/made/text; stat -c %u /srv/precious/made"),
            "yes\n20001"
        );
    });
}

#[test]
fn a_filesystem_that_answers_nobody_or_not_root_is_unmounted_by_its_hook() {
    // Closed to all but the tenant; without a daemon.
    const KINDS: [&str; 2] = [
        "",
        "; kill -9 $(pidof fuse-zip); while pidof fuse-zip; do sleep 0.05; done",
    ];
    on_each_suite(|suite| {
        let machine = machine(suite);
        fixtures::scenario(&machine);
        for (at, kind) in KINDS.iter().enumerate() {
            let name = format!("closed{at}");
            let tenant = Tenant {
                machine: &machine,
                name: &name,
            };
            tenant.starts(&format!(
                "hook-as-root = exec:setpriv --reuid=user001 --regid=user001 --clear-groups fuse-zip /var/www/app001.zip /app{kind}\n\
                 hook-as-root = umount:/app\n"
            ));
            let pid = machine.pid_of(&tenant.unit(), "sleep");
            let seen = machine.run_inside(pid, &["grep", " /app ", "/proc/self/mountinfo"]);
            assert_eq!(seen.stdout, "", "{suite}: {kind}");
            tenant.stops();
        }
    });
}

/// Exchanges a directory of the tenant's and his link as fast as he can (renameat2(2), RENAME_EXCHANGE).
const SWAPPER: &str = "\
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
os.chdir('/srv/tenant')
while True:
    libc.renameat2(-100, b'swapped', -100, b'in', 2)
";

/// How often root's hooks pass the place that is swapped: 4 paths in each of these lines' rounds.
const ROUNDS: usize = 60;
const STARTS: usize = 8;

#[test]
fn a_directory_that_is_swapped_for_a_link_all_the_time_leads_root_nowhere() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        prepared(&machine);
        machine.must_sh("mkdir -p /srv/tenant/swapped/empty; echo own >/srv/tenant/swapped/file; chown -R user001: /srv/tenant/swapped");
        let before = machine.must_sh(PRECIOUS);
        let swap = [
            &["systemd-run", "--unit=swapper"][..],
            &AS_USER001,
            &["python3", "-c", SWAPPER],
        ]
        .concat();
        machine.must(&swap);
        let at = "/srv/tenant/swapped";
        let round = format!(
            "hook-as-emperor = chmod:{at}/file 640\nhook-as-emperor = chown2:{at}/file 20001 20001\n\
             hook-as-emperor = write:{at}/file own\nhook-as-emperor = mkdir:{at}/made\n"
        );
        machine.write(
            "/etc/vassal/emperor.ini",
            format!(
                "[uwsgi]\nemperor = /etc/uwsgi/vassals\nemperor-use-clone = fs,pid\n{}",
                round.repeat(ROUNDS)
            ),
            0o644,
            Owner::ROOT,
        );
        let tenant = Tenant {
            machine: &machine,
            name: "race",
        };
        let mounts = format!("hook-as-root = mount:tmpfs none {at}/empty\n");
        let mut refused = 0;
        for _ in 0..STARTS {
            tenant.write("uid = user001\ngid = user001\n", &mounts);
            let started = machine.run(&["systemctl", "start", &tenant.unit()]);
            refused += usize::from(!started.succeeded());
            if started.succeeded() {
                let pid = machine.pid_of(&tenant.unit(), "sleep");
                let seen =
                    machine.run_inside(pid, &["grep", " /srv/precious/empty ", "/proc/self/mountinfo"]);
                assert!(!seen.succeeded(), "{seen}");
            }
            machine.must(&["systemctl", "stop", &tenant.unit()]);
            machine.run(&["systemctl", "reset-failed", &tenant.unit()]);
        }
        machine.must(&["systemctl", "stop", "swapper"]);
        assert_eq!(
            machine.must_sh(PRECIOUS),
            before,
            "{refused} of {STARTS} starts were refused"
        );
        let journal = machine.journal(&tenant.unit());
        assert!(
            journal.contains(NOT_FOLLOWED),
            "the swapper was never met: {journal}"
        );
    });
}
