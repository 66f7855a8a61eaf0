//! Changes under load, with an emperor that is killed again and again: no request fails.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use vassal_tests::{Machine, Signal, on_each_suite, package};

use crate::scene::{EMPEROR, app, machine, put, wait_version};

/// How many vassals serve.
const SERVING: u16 = 4;
/// How many changes are made.
const CHANGES: usize = 200;
/// Between two requests of one client.
const INTERVAL: Duration = Duration::from_millis(20);

/// Asks every vassal while `during` runs; the answers and the failures.
fn ask_while(machine: &Machine, during: impl FnOnce()) -> (usize, Vec<String>) {
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let ask = |port: u16| {
        let mut failed = Vec::new();
        while !over.load(Ordering::SeqCst) {
            match machine.http(port, "/") {
                Ok((200, _)) => drop(answered.fetch_add(1, Ordering::SeqCst)),
                other => failed.push(format!("{port}: {other:?}")),
            }
            thread::sleep(INTERVAL);
        }
        failed
    };
    let failed = thread::scope(|scope| {
        let ask = &ask;
        let clients: Vec<_> = (0..SERVING)
            .map(|number| scope.spawn(move || ask(9090 + number)))
            .collect();
        {
            let _over = Over(&over);
            during();
        }
        let failed = clients.into_iter().flat_map(|client| client.join().unwrap());
        failed.collect()
    });
    (answered.load(Ordering::SeqCst), failed)
}

/// Ends the clients when it is dropped: a panic must not leave them running.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn name(number: u16) -> String {
    format!("app{number}")
}

fn begin(machine: &Machine) {
    for number in 0..SERVING {
        put(machine, &name(number), &app(9090 + number, "0"));
    }
    for number in 0..SERVING {
        wait_version(machine, 9090 + number, "0");
    }
}

fn wait_all(machine: &Machine, version: &str) {
    for number in 0..SERVING {
        wait_version(machine, 9090 + number, version);
    }
}

#[test]
fn an_emperor_that_is_killed_in_the_midst_of_two_hundred_changes_costs_no_request() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        begin(&machine);
        let (answered, failed) = ask_while(&machine, || {
            for change in 1..=CHANGES {
                let number = (change % usize::from(SERVING)) as u16;
                put(&machine, &name(number), &app(9090 + number, &change.to_string()));
                if change % 20 == 7 {
                    for pid in machine.pids_of(EMPEROR, "vassal-emperor") {
                        machine.kill(pid, Signal::SIGKILL);
                    }
                }
            }
            for number in 0..SERVING {
                put(&machine, &name(number), &app(9090 + number, "last"));
            }
            wait_all(&machine, "last");
        });
        assert!(answered > 100, "{suite}: {answered}");
        assert_eq!(failed, Vec::<String>::new(), "{suite}: of {answered}");
    });
}

#[test]
fn an_upgrade_of_the_package_touches_no_vassal_and_loses_no_change() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        begin(&machine);
        let deb = std::fs::read(package().unwrap()).unwrap();
        machine.write("/root/vassal.deb", deb, 0o644, vassal_tests::Owner::ROOT);
        let before: Vec<_> = (0..SERVING)
            .map(|number| crate::scene::invocation(&machine, &name(number)))
            .collect();
        let (answered, failed) = ask_while(&machine, || {
            thread::scope(|scope| {
                let upgrade = scope.spawn(|| machine.must(&["dpkg", "--install", "/root/vassal.deb"]));
                for change in 1..=40 {
                    let number = change % SERVING;
                    put(&machine, &name(number), &app(9090 + number, &change.to_string()));
                }
                upgrade.join().unwrap();
            });
            for number in 0..SERVING {
                put(&machine, &name(number), &app(9090 + number, "last"));
            }
            wait_all(&machine, "last");
        });
        assert!(answered > 50, "{suite}: {answered}");
        assert_eq!(failed, Vec::<String>::new(), "{suite}: of {answered}");
        let after: Vec<_> = (0..SERVING)
            .map(|number| crate::scene::invocation(&machine, &name(number)))
            .collect();
        assert_eq!(after, before, "{suite}: reloads, no restarts");
    });
}
