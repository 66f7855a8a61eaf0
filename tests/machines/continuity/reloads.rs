//! Reloads by an administrator, and clients that ask all the time.

use vassal_tests::seed;

use crate::restarts::assert_graceful;
use crate::setup::client::{Client, ask_while};
use crate::setup::scene::{UNIT, on_each_suite, serving};

const RELOADS: usize = 12;

#[test]
fn reloads_under_load_fail_no_request_and_wait_for_those_that_the_app_has_begun() {
    on_each_suite(|suite| {
        let text = format!("{}threads = 2\nmaster =\nprocesses = 3\n", seed::ZIP_WATCHED);
        let machine = serving(suite, &text);
        let main = machine.unit(UNIT, "MainPID");
        let clients = [Client::SLOW, Client::SLOW, Client::SLOW, Client::LIVE];
        let tally = ask_while(&machine, &clients, |round| {
            for number in 1..=RELOADS {
                round.begin(number);
                machine.must(&["systemctl", "reload", UNIT]);
            }
        });
        println!("{suite}: {RELOADS} reloads: {tally}");
        assert!(tally.answered > RELOADS, "{tally}");
        assert_graceful(&tally);
        assert_eq!(machine.unit(UNIT, "MainPID"), main);
        let journal = machine.journal(UNIT);
        assert_eq!(journal.matches(": reloaded").count(), RELOADS, "{journal}");
    });
}
