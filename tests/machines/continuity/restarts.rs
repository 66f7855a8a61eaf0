//! Restarts by an administrator, and clients that ask all the time.

use vassal_tests::{Machine, seed};

use crate::setup::client::{Client, Round, Tally, ask_while};
use crate::setup::scene::{UNIT, on_each_suite, serving};

const RESTARTS: usize = 12;

/// No request failed: not even one that uWSGI was accepting at the very moment at which it was told to end, which it resets
/// under its own Emperor (vassal-compat(7)).
pub fn assert_graceful(tally: &Tally) {
    assert!(tally.failed.is_empty(), "{tally}");
}

fn restart_again_and_again(machine: &Machine, round: &Round) {
    for number in 1..=RESTARTS {
        round.begin(number);
        machine.must(&["systemctl", "restart", UNIT]);
    }
}

#[test]
fn restarts_under_load_fail_no_request() {
    on_each_suite(|suite| {
        let machine = serving(suite, seed::ZIP_WATCHED);
        let clients = vec![Client::LIVE; 4];
        let tally = ask_while(&machine, &clients, |round| {
            restart_again_and_again(&machine, round);
        });
        println!("{suite}: {RESTARTS} restarts: {tally}");
        assert!(tally.answered > RESTARTS, "{tally}");
        assert_graceful(&tally);
    });
}

#[test]
fn a_restart_waits_for_the_requests_that_the_app_has_begun() {
    on_each_suite(|suite| {
        let text = format!("{}threads = 2\nmaster =\nprocesses = 3\n", seed::ZIP_WATCHED);
        let machine = serving(suite, &text);
        let clients = [Client::SLOW, Client::SLOW, Client::SLOW, Client::LIVE];
        let tally = ask_while(&machine, &clients, |round| {
            restart_again_and_again(&machine, round);
        });
        println!("{suite}: {RESTARTS} restarts with slow requests: {tally}");
        assert!(tally.answered > RESTARTS, "{tally}");
        assert_graceful(&tally);
    });
}
