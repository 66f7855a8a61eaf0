//! A FUSE daemon that is killed again and again, and clients that ask all the time.

use std::sync::atomic::{AtomicUsize, Ordering};

use vassal_tests::{Machine, Owner, Pid, Signal, seed};

use crate::restarts::assert_graceful;
use crate::setup::client::{Client, Kind, Tally, ask, ask_while};
use crate::setup::scene::{
    UNIT, complaints, drop_in, kill, let_it_prove_itself, on_each_suite, serving, wait_restarted,
};
use crate::setup::steady::{Connections, ask_steadily};
use crate::{LIMIT, unix_sockets};

const KILLS: usize = 50;
/// How many requests wait while the app is killed.
const WAITING: usize = 20;

/// Kills the daemon `times` times, each time as soon as its vassal has proved itself, while the client asks.
pub fn kill_while_asking(machine: &Machine, client: Client, times: usize) -> Tally {
    ask_while(machine, &[client], |round| {
        for number in 1..=times {
            let_it_prove_itself();
            let daemon = machine.pid_of(UNIT, "fuse-zip");
            round.begin(number);
            kill(machine, daemon);
            wait_restarted(machine, number);
        }
    })
}

/// Nothing was refused, nothing reset, and each kill cost the app's one worker at most the one request that it had accepted.
pub fn assert_only_answers_inside_the_app(tally: &Tally) {
    assert_no_connection_lost(tally);
    assert_eq!(tally.count(Kind::Wrong), 0, "{tally}");
    assert!(tally.most_in_a_round() <= 1, "{tally}");
}

#[test]
fn fifty_killed_daemons_cost_no_connection_and_at_most_the_answer_inside_the_app() {
    on_each_suite(|suite| {
        let machine = serving(suite, seed::ZIP_WATCHED);
        let tally = kill_while_asking(&machine, Client::LIVE, KILLS);
        println!("{suite}: {KILLS} kills of fuse-zip: {tally}");
        assert!(tally.answered > KILLS * 10, "{tally}");
        assert_only_answers_inside_the_app(&tally);
    });
}

/// The app's own requests wait until it stands still: the kernel would wake it with an error before anything tells of the daemon's end.
#[test]
fn no_app_answers_wrongly_because_its_daemon_was_killed() {
    const WORKERS: &str = "master =\nprocesses = 3\n";
    on_each_suite(|suite| {
        let machine = serving(suite, &format!("{}{WORKERS}", seed::ZIP_WATCHED));
        let tally = kill_under_load(&machine, Connections::New, 40);
        println!("{suite}: kills of fuse-zip: {tally}");
        assert_eq!(tally.count(Kind::Wrong), 0, "{tally}");
        assert_no_connection_lost(&tally);
    });
}

#[test]
fn no_kill_resets_a_kept_connection_or_closes_the_socket_of_uwsgis_router() {
    const ROUNDS: usize = 10;
    // In the place of `http-socket = `.
    const WAYS: &[(&str, Connections)] = &[
        ("http11-socket = ", Connections::Kept(1)),
        ("plugins = http\nhttp = ", Connections::New),
        (
            "plugins = http\nhttp-keepalive = 1\nhttp = ",
            Connections::Kept(4),
        ),
    ];
    on_each_suite(|suite| {
        let machine = crate::setup::scene::machine(suite);
        for (lines, connections) in WAYS {
            drop_in(&machine, &seed::ZIP_WATCHED.replace("http-socket = ", lines));
            machine.must(&["systemctl", "start", UNIT]);
            let tally = kill_under_load(&machine, *connections, ROUNDS);
            println!("{suite}: {lines}: {ROUNDS} kills of fuse-zip: {tally}");
            assert!(tally.answered > ROUNDS, "{tally}");
            assert_eq!(tally.count(Kind::Wrong), 0, "{tally}");
            assert_no_connection_lost(&tally);
            machine.must(&["systemctl", "stop", UNIT]);
        }
    });
}

/// Kills the daemon so often, each time when its vassal has proved itself, beside requests at a steady rate.
fn kill_under_load(machine: &Machine, connections: Connections, times: usize) -> Tally {
    ask_steadily(machine, &Client::LIVE, connections, |round| {
        for number in 1..=times {
            let_it_prove_itself();
            let daemon = machine.pid_of(UNIT, "fuse-zip");
            round.begin(number);
            kill(machine, daemon);
            wait_restarted(machine, number);
        }
    })
}

fn assert_no_connection_lost(tally: &Tally) {
    for kind in [Kind::Refused, Kind::Reset, Kind::TimedOut, Kind::Other] {
        assert_eq!(tally.count(kind), 0, "{kind:?}: {tally}");
    }
}

/// A second archive, which nobody checks; and an app that has more than one process.
const SECOND: &str = "if-not-reload =
exec-as-user = fuse-zip -r /var/www/app001.zip /srv/second
endif =
master =
processes = 3
threads = 2
";

/// The daemon of the second archive.
fn second(machine: &Machine) -> Pid {
    let is_second = |pid: &Pid| {
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
        arguments
            .split(|byte| *byte == 0)
            .any(|argument| argument == b"/srv/second")
    };
    let daemons = machine.pids_of(UNIT, "fuse-zip");
    assert_eq!(daemons.len(), 2, "{daemons:?}");
    daemons.into_iter().find(is_second).unwrap()
}

/// The app stands still while its mountpoints are asked, which nobody is to notice.
#[test]
fn the_end_of_a_daemon_that_nobody_checks_fails_no_request() {
    const ROUNDS: usize = 10;
    on_each_suite(|suite| {
        let machine = crate::setup::scene::machine(suite);
        machine.make_dir("/srv/second", 0o755, Owner::USER001);
        drop_in(&machine, &format!("{}{SECOND}", seed::ZIP_WATCHED));
        machine.must(&["systemctl", "start", UNIT]);
        let clients = [Client::LIVE, Client::LIVE, Client::SLOW, Client::SLOW];
        let tally = ask_while(&machine, &clients, |round| {
            for number in 1..=ROUNDS {
                round.begin(number);
                kill(&machine, second(&machine));
                machine.wait_for("word of the daemon's end", LIMIT, || {
                    let told = complaints(&machine, "warning");
                    let ends = told
                        .iter()
                        .filter(|line| line.contains("fuse-zip (process "))
                        .count();
                    if ends == number {
                        Ok(())
                    } else {
                        Err(told.join("\n"))
                    }
                });
                // The same app goes on.
                machine.poll_http(9090, "/live", LIMIT);
                assert_eq!(machine.unit(UNIT, "NRestarts"), "0");
                machine.must(&["systemctl", "restart", UNIT]);
            }
        });
        println!("{suite}: {ROUNDS} kills of the daemon that nobody checks: {tally}");
        assert!(tally.answered > ROUNDS, "{tally}");
        assert_graceful(&tally);
    });
}

/// Asks while the app stands still, so that no request gets into it, and kills the daemon when all of them wait.
fn kill_while_they_wait(machine: &Machine, client: &Client) {
    let_it_prove_itself();
    for pid in machine.pids_of(UNIT, "uwsgi") {
        assert!(machine.kill(pid, Signal::SIGSTOP));
    }
    let daemon = machine.pid_of(UNIT, "fuse-zip");
    let asking = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let request = || {
            asking.fetch_add(1, Ordering::SeqCst);
            ask(machine, client)
        };
        let requests: Vec<_> = (0..WAITING).map(|_| scope.spawn(request)).collect();
        machine.wait_for("queue of requests", LIMIT, || {
            match asking.load(Ordering::SeqCst) {
                WAITING => Ok(()),
                number => Err(format!("{number} requests")),
            }
        });
        kill(machine, daemon);
        for request in requests {
            let answer = request.join().unwrap();
            assert!(answer.is_ok(), "{answer:?}\n{}", machine.state());
        }
    });
}

#[test]
fn every_request_that_waits_when_the_app_is_killed_is_answered_by_the_next_one() {
    on_each_suite(|suite| {
        let machine = serving(suite, seed::ZIP_WATCHED);
        kill_while_they_wait(&machine, &Client::LIVE);
        let machine = unix_sockets::serving(suite, "");
        kill_while_they_wait(&machine, &unix_sockets::client(&machine));
    });
}
