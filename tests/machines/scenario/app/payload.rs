//! What runs in a vassal: uWSGI as a vassal of an Emperor, or any program.

use vassal_tests::{Machine, Pid, Signal, Suite, seed};

use crate::LIMIT;
use crate::vassals::{UNIT, drop_in, get, machine, serving, uwsgi};

/// A vassal whose app is Python's file server, on the mounted archive.
pub const FILE_SERVER: &str = "\
[uwsgi]
uid = user001
gid = user001
exec-as-user = fuse-zip -r /var/www/app001.zip /app
mountpoint-check = /app

[vassal]
command = python3 -m http.server 8000 --directory /app
ready = :8000
";

#[test]
fn uwsgi_gets_its_configuration_from_an_emperor() {
    for suite in Suite::all() {
        let machine = serving(suite, seed::ZIP);
        let app = uwsgi(&machine, UNIT);
        assert_eq!(command_line(app), ["uwsgi", "--ini", "emperor://user001.ini"]);
        assert_eq!(machine.unit(UNIT, "NRestarts"), "0");
        machine.wait_for_journal(UNIT, "announcing my loyalty to the Emperor", LIMIT);
    }
}

#[test]
fn touch_reload_reloads_in_place() {
    let text = seed::ZIP_WATCHED.to_owned() + "touch-reload = /run/reload-user001\n";
    for suite in Suite::all() {
        let machine = machine(suite);
        machine.must(&["touch", "--date=yesterday", "/run/reload-user001"]);
        drop_in(&machine, "user001", &text);
        machine.must(&["systemctl", "start", UNIT]);
        let of_unit =
            || ["MainPID", "NRestarts", "InvocationID"].map(|property| machine.unit(UNIT, property));
        let lasting = || (of_unit(), uwsgi(&machine, UNIT), machine.pid_of(UNIT, "fuse-zip"));
        let (before, hello) = (lasting(), get(&machine, 9090, "/"));
        machine.must(&["touch", "/run/reload-user001"]);
        machine.wait_for_journal(
            UNIT,
            "getting INI configuration from emperor://user001.ini",
            LIMIT,
        );
        machine.wait_for("answer of another worker", LIMIT, || {
            match machine.http(9090, "/") {
                Ok((200, body)) if body != hello.as_bytes() => Ok(()),
                Ok((_, body)) => Err(String::from_utf8_lossy(&body).into_owned()),
                Err(error) => Err(error.to_string()),
            }
        });
        assert_eq!(lasting(), before, "{}", machine.journal(UNIT));
        let asked = machine
            .journal(UNIT)
            .matches("getting INI configuration from emperor://user001.ini")
            .count();
        assert_eq!(asked, 2, "once at the start, once at the reload");
        assert_eq!(get(&machine, 9090, "/live"), "app001\n");
    }
}

#[test]
fn a_worker_that_dies_is_uwsgis_own_affair() {
    for suite in Suite::all() {
        let machine = serving(suite, seed::ZIP_WATCHED);
        let (before, hello) = (machine.unit(UNIT, "MainPID"), get(&machine, 9090, "/"));
        let worker = machine.pids_of(UNIT, "uwsgi")[1];
        assert!(machine.kill(worker, Signal::SIGKILL));
        machine.wait_for("another worker", LIMIT, || match machine.http(9090, "/") {
            Ok((200, body)) if body != hello.as_bytes() => Ok(()),
            other => Err(format!("{other:?}")),
        });
        assert_eq!(machine.unit(UNIT, "MainPID"), before);
        assert_eq!(machine.unit(UNIT, "NRestarts"), "0");
    }
}

#[test]
fn any_program_can_be_the_app() {
    for suite in Suite::all() {
        let machine = machine(suite);
        drop_in(&machine, "user001", FILE_SERVER);
        machine.must(&["systemctl", "start", UNIT]);
        // Without waiting: ready means that it accepts.
        assert_eq!(get(&machine, 8000, "/name"), "app001\n");
        let app = machine.pid_of(UNIT, "python3");
        let status = std::fs::read_to_string(format!("/proc/{app}/status")).unwrap();
        for line in [
            "Uid:\t20001\t20001\t20001\t20001",
            "NoNewPrivs:\t1",
            "CapEff:\t0000000000000000",
        ] {
            assert!(status.lines().any(|is| is == line), "{line}: {status}");
        }
        assert_eq!(
            descriptors(app).len(),
            4,
            "standard ones and its own listener: {:?}",
            descriptors(app)
        );
        assert!(
            machine
                .unit(UNIT, "StatusText")
                .starts_with("serving; /app healthy (fuse.fuse-zip, ")
        );
        machine.must(&["systemctl", "stop", UNIT]);
        assert_eq!(
            machine.unit(UNIT, "Result"),
            "success",
            "{}",
            machine.journal(UNIT)
        );
        assert_eq!(machine.pids("fuse-zip"), []);
    }
}

#[test]
fn a_program_whose_mount_dies_is_restarted_as_uwsgi_is() {
    for suite in Suite::all() {
        let machine = machine(suite);
        drop_in(&machine, "user001", FILE_SERVER);
        machine.must(&["systemctl", "start", UNIT]);
        let daemon = machine.pid_of(UNIT, "fuse-zip");
        assert!(machine.kill(daemon, Signal::SIGKILL));
        machine.wait_for_unit(UNIT, "NRestarts", "1", LIMIT);
        machine.wait_for_unit(UNIT, "ActiveState", "active", LIMIT);
        assert_eq!(get(&machine, 8000, "/name"), "app001\n");
    }
}

fn command_line(pid: Pid) -> Vec<String> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    line.split_terminator('\0').map(str::to_owned).collect()
}

fn descriptors(pid: Pid) -> Vec<String> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let shown = |path: std::path::PathBuf| format!("{} {:?}", path.display(), std::fs::read_link(&path));
    entries.map(|entry| shown(entry.unwrap().path())).collect()
}

/// A machine with a vassal whose start has been asked for and is not waited for.
pub fn starting(suite: Suite, text: &str) -> Machine {
    let machine = machine(suite);
    drop_in(&machine, "user001", text);
    machine.must(&["systemctl", "start", "--no-block", UNIT]);
    machine
}
