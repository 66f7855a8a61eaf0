//! Listening sockets outlive restarts and end with a stop.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vassal_tests::{HttpError, Machine, Signal, Suite, seed};

use crate::vassals::{UNIT, drop_in, get, machine, serving, uwsgi, wait_restarted};

/// Between two connections: a client every few milliseconds.
const INTERVAL: Duration = Duration::from_millis(5);

#[test]
fn a_stop_closes_the_port_and_a_start_opens_it_again() {
    for suite in Suite::all() {
        let machine = serving(suite, seed::ZIP);
        machine.must(&["systemctl", "stop", UNIT]);
        assert!(
            matches!(machine.connect(9090), Err(HttpError::Connect(_))),
            "{}",
            machine.state()
        );
        assert_eq!(machine.must(&["ss", "-Hltn", "sport", "=", "9090"]), "");
        machine.must(&["systemctl", "start", UNIT]);
        assert_eq!(get(&machine, 9090, "/live"), "app001\n");
    }
}

/// Connects again and again while `during` runs; gives the number of connections, all of which were made.
fn connect_during(machine: &Machine, during: impl FnOnce()) -> usize {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            let mut connections = 0;
            while !over.load(Ordering::Relaxed) {
                if let Err(error) = machine.connect(9090) {
                    return Err(format!("connection {connections}: {error}"));
                }
                connections += 1;
                std::thread::sleep(INTERVAL);
            }
            Ok(connections)
        });
        during();
        over.store(true, Ordering::Relaxed);
        client
            .join()
            .unwrap()
            .unwrap_or_else(|refused| panic!("{refused}\n{}", machine.state()))
    })
}

#[test]
fn no_connection_is_refused_while_a_vassal_is_restarted() {
    for suite in Suite::all() {
        let machine = serving(suite, seed::ZIP_WATCHED);
        for (restarts, victim) in [(1, "fuse-zip"), (2, "uwsgi"), (3, "vassal-watchdog")] {
            let pid = machine.pids_of(UNIT, victim)[0];
            let connections = connect_during(&machine, || {
                assert!(machine.kill(pid, Signal::SIGKILL));
                wait_restarted(&machine, UNIT, 9090, restarts);
            });
            assert!(connections > 1, "{victim}: {connections}");
        }
    }
}

#[test]
fn no_connection_is_refused_while_an_administrator_restarts_a_vassal() {
    for suite in Suite::all() {
        let machine = serving(suite, seed::ZIP_WATCHED);
        let connections = connect_during(&machine, || {
            machine.must(&["systemctl", "restart", UNIT]);
            machine.poll_http(9090, "/live", crate::LIMIT);
        });
        assert!(connections > 1, "{connections}");
    }
}

#[test]
fn a_request_that_comes_during_a_restart_is_answered_after_it() {
    for suite in Suite::all() {
        let machine = serving(suite, seed::ZIP_WATCHED);
        let (old, daemon) = (uwsgi(&machine, UNIT), machine.pid_of(UNIT, "fuse-zip"));
        assert!(machine.kill(daemon, Signal::SIGKILL));
        // Once the old app is gone, nobody accepts until the new one does.
        machine.wait_for("end of the old app", crate::LIMIT, || {
            if std::path::Path::new(&format!("/proc/{old}")).exists() {
                Err("it runs")
            } else {
                Ok(())
            }
        });
        let mut connection = machine.connect(9090).unwrap();
        connection.write_all(b"GET /live HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(
            answer.starts_with("HTTP/1.0 200 ") && answer.ends_with("\r\n\r\napp001\n"),
            "{answer}"
        );
    }
}

#[test]
fn an_address_that_the_file_no_longer_names_is_closed() {
    for suite in Suite::all() {
        let machine = machine(suite);
        drop_in(&machine, "user001", seed::ZIP);
        machine.must(&["systemctl", "start", UNIT]);
        drop_in(&machine, "user001", &seed::ZIP.replace("9090", "9099"));
        machine.must(&["systemctl", "restart", UNIT]);
        assert_eq!(get(&machine, 9099, "/live"), "app001\n");
        assert!(
            matches!(machine.connect(9090), Err(HttpError::Connect(_))),
            "{}",
            machine.state()
        );
    }
}
