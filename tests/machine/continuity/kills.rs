//! A FUSE daemon that is killed again and again, and clients that ask all the time.

use std::sync::atomic::{AtomicUsize, Ordering};

use vassal_tests::{Machine, Signal, seed};

use crate::client::{Client, Kind, Tally, ask, ask_while};
use crate::scene::{UNIT, kill, let_it_prove_itself, on_each_suite, serving, wait_restarted};
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

/// Nothing was refused, and each kill cost at most the one answer that the app was about to give: an error from the mount, or
/// a connection that ended with the app. The end is a reset when the app had accepted the connection and not yet read from it,
/// which no server that is killed can help.
pub fn assert_only_answers_inside_the_app(tally: &Tally, kills: usize) {
    for kind in [Kind::Refused, Kind::TimedOut, Kind::Other] {
        assert_eq!(tally.count(kind), 0, "{kind:?}: {tally}");
    }
    // In all, as a daemon may die in one request, and a busy machine get to the app only after the next one.
    assert!(tally.failed.len() <= kills, "{tally}");
    assert!(tally.most_in_a_round() <= 2, "{tally}");
}

#[test]
fn fifty_killed_daemons_cost_no_connection_and_at_most_the_answer_inside_the_app() {
    on_each_suite(|suite| {
        let machine = serving(suite, seed::ZIP_WATCHED);
        let tally = kill_while_asking(&machine, Client::LIVE, KILLS);
        println!("{suite}: {KILLS} kills of fuse-zip: {tally}");
        assert!(tally.answered > KILLS * 10, "{tally}");
        assert_only_answers_inside_the_app(&tally, KILLS);
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
