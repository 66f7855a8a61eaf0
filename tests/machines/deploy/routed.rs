//! uWSGI's own router, TLS included, listens on a socket that is kept as any other is: no reload and no restart costs it.

use std::time::Duration;

use vassal_tests::Machine;

use crate::LIMIT;
use crate::client::{Kind, Tally, ask_while};
use crate::scene::{
    LIVE, UNIT, UWSGI, deploy, drop_in, lasting, machine, on_each_suite, psgi, reload, serving, uwsgis,
};

/// How long the app loads.
const LOADS: Duration = Duration::from_secs(2);
const MANY: usize = 20;

fn routed(address: &str) -> String {
    UWSGI.replace("http-socket = :9090", &format!("plugin = http\nhttp = {address}"))
}

fn socket(machine: &Machine) -> String {
    machine.must_sh("ss -ltnHe 'sport = :9090 or sport = :9091' | grep -o 'ino:[0-9]*' | sort || true")
}

fn assert_no_connection_lost(tally: &Tally) {
    for kind in [Kind::Refused, Kind::Reset, Kind::TimedOut, Kind::Other] {
        assert_eq!(tally.count(kind), 0, "{kind:?}: {tally}");
    }
}

#[test]
fn an_app_behind_uwsgis_router_is_replaced_while_it_loads_and_no_request_fails() {
    on_each_suite(|suite| {
        let machine = serving(suite, &routed(":9090"), &psgi("first", Duration::ZERO));
        let (before, open) = (lasting(&machine), socket(&machine));
        deploy(&machine, &psgi("second", LOADS));
        let tally = ask_while(&machine, &[LIVE, LIVE], |_| reload(&machine));
        assert!(tally.failed.is_empty() && tally.answered > 100, "{tally}");
        deploy(&machine, &psgi("third", Duration::ZERO));
        let tally = ask_while(&machine, &[LIVE, LIVE], |round| {
            for number in 1..=MANY {
                round.begin(number);
                reload(&machine);
            }
        });
        println!("{suite}: {MANY} reloads: {tally}");
        assert!(tally.failed.is_empty(), "{tally}");
        assert_eq!((lasting(&machine), socket(&machine)), (before, open), "{suite}");
        assert!(
            !machine.journal(UNIT).contains("in place"),
            "{}",
            machine.journal(UNIT)
        );
        // A router that has ended leaves no process behind.
        machine.wait_for("the end of those before", LIMIT, || {
            match uwsgis(&machine).len() {
                4 => Ok(()),
                count => Err(count),
            }
        });
    });
}

#[test]
fn a_routers_address_in_any_words_is_kept_over_restarts_and_reloads_in_place() {
    const ADDRESSES: &[&str] = &[":9090", "0.0.0.0:9090", "127.0.0.1:9090"];
    on_each_suite(|suite| {
        let machine = machine(suite, &psgi("first", Duration::ZERO));
        for address in ADDRESSES {
            drop_in(
                &machine,
                &format!("{}[vassal]\nreload = in-place\n", routed(address)),
            );
            machine.must(&["systemctl", "restart", UNIT]);
            machine.poll_http(9090, "/live", LIMIT);
            let open = socket(&machine);
            let tally = ask_while(&machine, &[LIVE], |_| {
                for _ in 0..3 {
                    machine.must(&["systemctl", "restart", UNIT]);
                    reload(&machine);
                }
            });
            println!("{suite}: {address}: {tally}");
            assert_no_connection_lost(&tally);
            assert_eq!(socket(&machine), open, "{suite} {address}: bound again");
            machine.must(&["systemctl", "stop", UNIT]);
            assert_eq!(socket(&machine), "", "{suite} {address}");
        }
    });
}

#[test]
fn a_router_that_is_moved_by_a_reload_binds_the_new_address_itself() {
    on_each_suite(|suite| {
        let machine = serving(suite, &routed(":9090"), &psgi("first", Duration::ZERO));
        drop_in(&machine, &routed("127.0.0.1:9091"));
        let before = lasting(&machine);
        reload(&machine);
        machine.wait_for_journal(UNIT, "reload in place: 127.0.0.1:9091 is not bound yet", LIMIT);
        machine.poll_http(9091, "/live", LIMIT);
        assert_eq!(lasting(&machine), before, "{suite}");
        machine.must(&["systemctl", "restart", UNIT]);
        machine.poll_http(9091, "/live", LIMIT);
        assert!(machine.http(9090, "/live").is_err(), "{suite}");
    });
}
