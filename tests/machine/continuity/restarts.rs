//! Restarts by an administrator, and clients that ask all the time.

use vassal_tests::{Machine, seed};

use crate::client::{Client, Round, ask_while};
use crate::scene::{UNIT, on_each_suite, serving};

const RESTARTS: usize = 12;

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
        let clients = [Client::LIVE, Client::LIVE];
        let tally = ask_while(&machine, &clients, |round| {
            restart_again_and_again(&machine, round);
        });
        println!("{suite}: {RESTARTS} restarts: {tally}");
        assert!(tally.answered > RESTARTS, "{tally}");
        assert!(tally.failed.is_empty(), "{suite}: {tally}");
    });
}

#[test]
fn a_restart_waits_for_the_requests_that_the_app_has_begun() {
    on_each_suite(|suite| {
        let text = format!("{}master =\nprocesses = 3\n", seed::ZIP_WATCHED);
        let machine = serving(suite, &text);
        let clients = [Client::SLOW, Client::SLOW, Client::SLOW, Client::LIVE];
        let tally = ask_while(&machine, &clients, |round| {
            restart_again_and_again(&machine, round);
        });
        println!("{suite}: {RESTARTS} restarts with slow requests: {tally}");
        assert!(tally.answered > RESTARTS, "{tally}");
        assert!(tally.failed.is_empty(), "{suite}: {tally}");
    });
}
