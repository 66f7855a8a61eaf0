//! The programs that root runs: how they can be started, what they are given, and what a vassal leaves behind.

use vassal_tests::{Machine, Owner, on_each_suite, seed};

use super::scene::{LIMIT, findings, machine, put, start, tenant};

const PROGRAMS: [&str; 4] = [
    "/usr/lib/vassal/vassal-enter",
    "/usr/lib/vassal/vassal-watchdog",
    "/usr/lib/systemd/system-generators/vassal-generator",
    "/usr/bin/vassalctl",
];
const NO_ARGUMENTS: &str = "import ctypes, sys\n\
    ctypes.CDLL(None).execv(sys.argv[1].encode(), (ctypes.c_char_p * 1)(None))\n";
/// sysexits(3): the command line was used incorrectly.
const EX_USAGE: i32 = 64;

#[test]
fn the_programs_are_static_and_no_way_to_start_them_makes_them_crash() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.write("/srv/attacks/none.py", NO_ARGUMENTS, 0o644, Owner::ROOT);
        for program in PROGRAMS {
            // No loader, so nothing of a tenant's root or environment is loaded into them.
            let text = machine.must_sh(&format!("LC_ALL=C ldd {program} 2>&1 || true"));
            assert!(
                text.contains("not a dynamic executable") || text.contains("statically linked"),
                "{program}: {text}"
            );
            for way in [
                format!("python3 /srv/attacks/none.py {program}"),
                format!("exec {program} <&- >&- 2>&-"),
                format!("ulimit -n 3; exec {program}"),
                format!("LD_PRELOAD=/absent GLIBC_TUNABLES=x MALLOC_CHECK_=3 exec {program}"),
            ] {
                let ended = machine.run(&["sh", "-c", &format!("cd /tmp; {way} </dev/null")]);
                let code = ended.status.code().unwrap_or(-1);
                assert!((0..=EX_USAGE + 14).contains(&code), "{way}: {ended}");
            }
        }
        for program in &PROGRAMS[..2] {
            assert_eq!(machine.run(&[program]).status.code(), Some(EX_USAGE), "{program}");
        }
    });
}

#[test]
fn a_loaders_variables_and_a_secret_of_the_apps_are_the_apps_alone() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let lines = "env = LD_PRELOAD=/absent/evil.so\nenv = GLIBC_TUNABLES=x\nenv = PASSWORD=fishbone\n\
                     exec-as-root = env >/srv/seen/hook\n[vassal]";
        let app = "sh -c 'env | tr = \" \" >/srv/seen/app.part; mv /srv/seen/app.part /srv/seen/app; exec sleep infinity' 2>&1";
        let unit = start(&machine, "user001", &tenant(app).replace("[vassal]", lines));
        let seen = findings(&machine, "/srv/seen/app");
        assert_eq!(seen["LD_PRELOAD"], "/absent/evil.so");
        assert!(
            !seen.contains_key("WATCHDOG_PID") && !seen.contains_key("NOTIFY_SOCKET"),
            "{seen:?}"
        );
        let hook = machine.read_text("/srv/seen/hook");
        assert!(!hook.contains("evil") && !hook.contains("GLIBC_"), "{hook}");
        // Neither a unit nor systemd nor the journal nor a file that others may read has the value.
        let places = "systemctl show 'vassal@user001'; systemctl cat 'vassal@user001'; systemctl status --no-pager 'vassal@user001'; \
                      journalctl --sync; journalctl --no-pager -o export -u vassal@user001 | cat -v; grep -rs fishbone /run/systemd /run/vassal || true";
        let shown = machine.must_sh(places);
        assert!(
            !shown.contains("fishbone"),
            "{}",
            shown
                .lines()
                .find(|line| line.contains("fishbone"))
                .unwrap_or_default()
        );
        assert_eq!(
            machine.must(&["stat", "--format=%a %U", "/run/vassal"]).trim(),
            "711 root"
        );
        assert_eq!(
            machine.must_sh("find /run/vassal -maxdepth 1 -type f -perm /077"),
            ""
        );
        machine.must(&["systemctl", "stop", &unit]);
    });
}

/// What there may not be more of after a vassal has come and gone.
fn baseline(machine: &Machine) -> String {
    let counts = "wc -l </proc/1/mountinfo; ls /proc/1/fd | wc -l; find /sys/fs/cgroup -type d -name 'vassal@*' | wc -l; \
                  find /run/vassal -type f | wc -l; ls /run/systemd/generator | wc -l; ls /tmp | grep -vc systemd-private";
    format!(
        "{} {:?}",
        machine.sh(counts).stdout.replace('\n', " "),
        machine.fuse_connections()
    )
}

#[test]
fn vassals_that_come_and_go_leave_nothing() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let unit = put(&machine, "user001", seed::ZIP_ATEXIT);
        let mut before = None;
        for round in 0..12 {
            machine.must(&["systemctl", "start", &unit]);
            machine.poll_http(9090, "/", LIMIT);
            machine.must(&["systemctl", "stop", &unit]);
            let now = baseline(&machine);
            match (round, &before) {
                // The first rounds fill systemd's own caches.
                (0..=1, _) => before = Some(now),
                (_, Some(before)) => {
                    machine.wait_for("the state of before", LIMIT, || {
                        let now = baseline(&machine);
                        (now == *before)
                            .then_some(())
                            .ok_or_else(|| format!("{now} after {before}"))
                    });
                }
                (_, None) => unreachable!("the first round has left it"),
            }
        }
    });
}
