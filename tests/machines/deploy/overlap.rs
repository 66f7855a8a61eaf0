//! The next app loads beside the present one, and no client notices.

use std::time::{Duration, Instant};

use crate::LIMIT;
use crate::client::{Tally, ask_while};
use crate::scene::{
    LIVE, SLOW, UNIT, UWSGI, deploy, drop_in, get, lasting, machine, on_each_suite, psgi, reload, serving,
    uwsgis, wait_for_uwsgis,
};

/// How long the app loads.
const LOADS: Duration = Duration::from_secs(3);
const MANY: usize = 100;

fn assert_unnoticed(tally: &Tally) {
    assert!(tally.failed.is_empty(), "{tally}");
}

#[test]
fn an_app_that_loads_for_seconds_is_replaced_and_no_request_waits() {
    on_each_suite(|suite| {
        let machine = serving(suite, UWSGI, &psgi("first", Duration::ZERO));
        let before = lasting(&machine);
        deploy(&machine, &psgi("second", LOADS));
        let mut took = Duration::ZERO;
        let tally = ask_while(&machine, &[LIVE, LIVE], |_| {
            let begun = Instant::now();
            reload(&machine);
            took = begun.elapsed();
            // Over means that the one before takes no more.
            (0..20).for_each(|_| assert_eq!(get(&machine, "/version"), "second\n"));
        });
        println!("{suite}: a reload of {took:?}: {tally}");
        assert_unnoticed(&tally);
        assert!(took > LOADS && tally.answered > 200, "{took:?} {tally}");
        wait_for_uwsgis(&machine, 3);
        assert_eq!(lasting(&machine), before);
        let journal = machine.journal(UNIT);
        assert!(journal.contains(": reloaded\n"), "{journal}");
        assert!(!journal.contains("in place"), "{journal}");
    });
}

#[test]
fn a_hundred_reloads_under_load_fail_no_request_and_leave_nothing_behind() {
    on_each_suite(|suite| {
        let machine = serving(suite, UWSGI, &psgi("first", Duration::ZERO));
        let processes = || machine.unit_pids(UNIT).len();
        let descriptors = || {
            let main = machine.unit(UNIT, "MainPID");
            std::fs::read_dir(format!("/proc/{}/fd", main_on_host(&machine, &main)))
                .unwrap()
                .count()
        };
        reload(&machine);
        wait_for_uwsgis(&machine, 3);
        let (count, open) = (processes(), descriptors());
        let tally = ask_while(&machine, &[LIVE, LIVE, SLOW], |round| {
            for number in 1..=MANY {
                round.begin(number);
                reload(&machine);
            }
        });
        println!("{suite}: {MANY} reloads: {tally}");
        assert_unnoticed(&tally);
        wait_for_uwsgis(&machine, 3);
        assert_eq!((processes(), descriptors()), (count, open));
    });
}

/// The number on the host of a process that is `number` in the machine.
fn main_on_host(machine: &vassal_tests::Machine, number: &str) -> i32 {
    let watchdog = machine.pid_of(UNIT, "vassal-watchdog");
    assert_eq!(
        machine.inner_pid(watchdog).map(|pid| pid.to_string()).as_deref(),
        Some(number)
    );
    watchdog.as_raw()
}

#[test]
fn the_next_app_is_as_the_file_is_now_and_as_the_hooks_of_the_start_left_it() {
    const HOOKS: &str = "exec-as-user = echo ran >>/srv/seen/hooks
hook-as-user = putenv:HOOK=kept
hook-as-user = chdir:/srv/seen
hook-as-root = putenv:ROOT=kept
umask = 027
env = OLD=1
env = SAME=1
";
    on_each_suite(|suite| {
        let machine = machine(suite, &psgi("first", Duration::ZERO));
        machine.must_sh("mkdir /srv/seen; chown user001 /srv/seen");
        drop_in(&machine, &format!("{UWSGI}{HOOKS}"));
        machine.must(&["systemctl", "start", UNIT]);
        machine.poll_http(9090, "/live", LIMIT);
        let state = || {
            let app = uwsgis(&machine)[0];
            let status = std::fs::read_to_string(format!("/proc/{app}/status")).unwrap();
            let kept = |line: &&str| {
                let names = [
                    "Umask:",
                    "Uid:",
                    "Gid:",
                    "Groups:",
                    "Cap",
                    "NoNewPrivs:",
                    "Seccomp",
                ];
                names.iter().any(|name| line.starts_with(name))
            };
            let status: Vec<_> = status.lines().filter(kept).map(str::to_owned).collect();
            let directory = std::fs::read_link(format!("/proc/{app}/cwd")).unwrap();
            let limits = std::fs::read_to_string(format!("/proc/{app}/limits")).unwrap();
            let group = std::fs::read_to_string(format!("/proc/{app}/cgroup")).unwrap();
            let namespaces = ["mnt", "pid", "ipc", "uts", "net"]
                .map(|name| std::fs::read_link(format!("/proc/{app}/ns/{name}")).unwrap());
            let fds = std::fs::read_dir(format!("/proc/{app}/fd")).unwrap().count();
            (status, directory, limits, group, namespaces, fds)
        };
        let before = state();
        let file = format!("{UWSGI}{HOOKS}").replace("env = OLD=1", "env = NEW=1");
        drop_in(&machine, &file);
        let (main, first) = (machine.unit(UNIT, "MainPID"), uwsgis(&machine)[0]);
        reload(&machine);
        wait_for_uwsgis(&machine, 3);
        assert_ne!(uwsgis(&machine)[0], first);
        assert_eq!(machine.unit(UNIT, "MainPID"), main);
        assert_eq!(state(), before);
        let environment = get(&machine, "/env");
        for line in ["HOOK=kept", "ROOT=kept", "SAME=1", "NEW=1"] {
            assert!(
                environment.lines().any(|each| each == line),
                "{line}: {environment}"
            );
        }
        assert!(!environment.contains("OLD="), "{environment}");
        assert_eq!(machine.read_text("/srv/seen/hooks"), "ran\n");
        // The reload is its parent's only in between.
        let status = std::fs::read_to_string(format!("/proc/{}/status", uwsgis(&machine)[0])).unwrap();
        let watchdog = machine.pid_of(UNIT, "vassal-watchdog");
        assert!(status.contains(&format!("PPid:\t{watchdog}\n")), "{status}");
    });
}
