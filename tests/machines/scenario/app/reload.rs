//! `systemctl reload`: the file is read again, the app reloads in place, everything else stays.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vassal_tests::{Machine, Signal, Suite, seed};

use crate::LIMIT;
use crate::vassals::{UNIT, copy_on_write_machine, drop_in, get, machine, serving, uwsgi, wait_restarted};

/// Between two requests.
const INTERVAL: Duration = Duration::from_millis(10);

/// A vassal that shows a variable of its file, and tells its start from a reload.
const SHOWN: &str = "env = SHOWN=first\nif-reload =\nenv = RELOADED=yes\nendif =\n";

fn reload(machine: &Machine) {
    machine.must(&["systemctl", "reload", UNIT]);
}

fn variable(machine: &Machine, name: &str) -> Option<String> {
    let environment = get(machine, 9090, "/env");
    let mut lines = environment.lines();
    lines.find_map(|line| line.strip_prefix(&format!("{name}=")).map(str::to_owned))
}

/// Asks again and again while `during` runs; the number of answers, all of which were 200.
fn ask_during(machine: &Machine, during: impl FnOnce()) -> usize {
    let over = AtomicBool::new(false);
    let ask = || -> Result<(), String> {
        let mut connection = machine.connect(9090).map_err(|error| error.to_string())?;
        connection
            .write_all(b"GET /live HTTP/1.0\r\n\r\n")
            .map_err(|error| error.to_string())?;
        let mut answer = String::new();
        connection
            .read_to_string(&mut answer)
            .map_err(|error| error.to_string())?;
        match answer.starts_with("HTTP/1.0 200 ") {
            true => Ok(()),
            false => Err(format!("answered '{answer}'")),
        }
    };
    std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            let mut answers = 0;
            while !over.load(Ordering::Relaxed) {
                ask().map_err(|error| format!("request {answers}: {error}"))?;
                answers += 1;
                std::thread::sleep(INTERVAL);
            }
            Ok::<usize, String>(answers)
        });
        during();
        over.store(true, Ordering::Relaxed);
        client
            .join()
            .unwrap()
            .unwrap_or_else(|failed| panic!("{failed}\n{}", machine.state()))
    })
}

#[test]
fn a_reload_keeps_mounts_daemons_and_the_main_process_and_fails_no_request() {
    for suite in Suite::all() {
        let text = format!("{}{SHOWN}", seed::ZIP_WATCHED);
        let machine = serving(suite, &text);
        assert_eq!(variable(&machine, "SHOWN").as_deref(), Some("first"));
        assert_eq!(variable(&machine, "RELOADED"), None);
        let stay = || {
            let main = machine.unit(UNIT, "MainPID");
            (main, machine.pid_of(UNIT, "fuse-zip"))
        };
        let (before, app) = (stay(), uwsgi(&machine, UNIT));
        drop_in(&machine, "user001", &text.replace("first", "second"));
        let answers = ask_during(&machine, || {
            for _ in 0..3 {
                reload(&machine);
            }
        });
        assert!(answers > 3, "{answers}");
        assert_eq!(stay(), before);
        // The next app has taken its place.
        assert_ne!(uwsgi(&machine, UNIT), app);
        assert_eq!(variable(&machine, "SHOWN").as_deref(), Some("second"));
        assert_eq!(variable(&machine, "RELOADED").as_deref(), Some("yes"));
        assert_eq!(machine.unit(UNIT, "ActiveState"), "active");
        assert_eq!(machine.unit(UNIT, "NRestarts"), "0");
        machine.wait_for_journal(UNIT, "reloaded", LIMIT);
        assert!(
            !machine.journal(UNIT).contains("restart needed"),
            "{}",
            machine.journal(UNIT)
        );
    }
}

#[test]
fn the_router_of_a_vassal_serves_after_a_reload_and_a_restart() {
    for suite in Suite::all() {
        let routed = seed::ZIP_WATCHED.replace("http-socket = ", "plugins = http\nhttp = ");
        let machine = serving(suite, &format!("{routed}{SHOWN}"));
        for action in ["reload", "restart", "reload"] {
            machine.must(&["systemctl", action, UNIT]);
            machine.poll_http(9090, "/live", LIMIT);
        }
        assert_eq!(variable(&machine, "RELOADED").as_deref(), Some("yes"));
    }
}

#[test]
fn a_vassal_in_a_root_of_its_own_reloads_without_its_file_there() {
    for suite in Suite::all().into_iter().filter(|suite| *suite == Suite::Bookworm) {
        let machine = copy_on_write_machine(suite);
        let text = format!("{}env = SHOWN=first\n", seed::COPY_ON_WRITE);
        drop_in(&machine, "user001", &text);
        machine.must(&["systemctl", "start", UNIT]);
        machine.poll_http(9090, "/", LIMIT);
        drop_in(&machine, "user001", &text.replace("first", "second"));
        reload(&machine);
        assert_eq!(variable(&machine, "SHOWN").as_deref(), Some("second"));
    }
}

#[test]
fn a_wrong_file_fails_the_reload_and_nothing_else() {
    for suite in Suite::all() {
        let machine = serving(suite, seed::ZIP_WATCHED);
        let app = uwsgi(&machine, UNIT);
        drop_in(
            &machine,
            "user001",
            &format!("{}hook-asap = mout:x\n", seed::ZIP_WATCHED),
        );
        let failed = machine.run(&["systemctl", "reload", UNIT]);
        assert!(!failed.succeeded(), "{failed}");
        machine.wait_for_journal(UNIT, "user001.ini:12: unknown hook action 'mout'", LIMIT);
        assert_eq!(machine.unit(UNIT, "ActiveState"), "active");
        assert_eq!(get(&machine, 9090, "/live"), "app001\n");
        assert_eq!(uwsgi(&machine, UNIT), app);
    }
}

#[test]
fn what_takes_a_restart_is_told_in_one_line() {
    for suite in Suite::all() {
        let machine = serving(suite, seed::ZIP_WATCHED);
        let changed = seed::ZIP_WATCHED
            .replace("gid = user001", "gid = user001\nhook-as-root = print:new")
            .replace(":9090", ":9091");
        drop_in(&machine, "user001", &changed);
        reload(&machine);
        let line = machine.wait_for_journal(UNIT, "restart needed", LIMIT);
        let told = "reloaded; restart needed for what has changed in: hooks, sockets (systemctl restart vassal@user001.service)";
        assert!(line.contains(told), "{line}");
        machine.must(&["systemctl", "restart", UNIT]);
        machine.poll_http(9091, "/live", LIMIT);
    }
}

#[test]
fn an_app_that_dies_in_its_reload_is_restarted_and_no_reload_is_left_hanging() {
    for suite in Suite::all() {
        let in_place = format!("{}[vassal]\nreload = in-place\n", seed::ZIP_WATCHED);
        let machine = serving(suite, &in_place);
        let app = uwsgi(&machine, UNIT);
        // It cannot come back while it is stopped.
        assert!(machine.kill(app, Signal::SIGSTOP));
        let dying = std::thread::scope(|scope| {
            let reload = scope.spawn(|| machine.run(&["systemctl", "reload", UNIT]));
            machine.wait_for_unit(UNIT, "ActiveState", "reloading", LIMIT);
            assert!(machine.kill(app, Signal::SIGKILL));
            reload.join().unwrap()
        });
        assert!(!dying.succeeded(), "{dying}");
        wait_restarted(&machine, UNIT, 9090, 1);
        reload(&machine);
        assert_eq!(machine.unit(UNIT, "ActiveState"), "active");
    }
}

#[test]
fn another_program_is_reloaded_by_its_signal() {
    for suite in Suite::all() {
        let machine = machine(suite);
        let text = "[uwsgi]\nuid = user001\n[vassal]\n\
             command = trap 'echo again' HUP; while :; do sleep 0.1; done\n";
        drop_in(&machine, "user001", text);
        machine.must(&["systemctl", "start", UNIT]);
        let refused = machine.run(&["systemctl", "reload", UNIT]);
        assert!(!refused.succeeded(), "{refused}");
        machine.wait_for_journal(UNIT, "[vassal] has no reload-signal", LIMIT);
        drop_in(&machine, "user001", &format!("{text}reload-signal = HUP\n"));
        machine.must(&["systemctl", "restart", UNIT]);
        reload(&machine);
        machine.wait_for_journal(UNIT, "again", LIMIT);
    }
}
