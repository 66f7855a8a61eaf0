//! A version that does not load never takes the place of one that serves.

use std::time::{Duration, Instant};

use crate::client::ask_while;
use crate::scene::{
    LIVE, UNIT, UWSGI, deploy, drop_in, failed_reload, get, lasting, on_each_suite, psgi, reload, serving,
    uwsgis, wait_for_uwsgis,
};

#[test]
fn broken_versions_fail_their_reloads_and_no_request() {
    // The app, and what the reload says of it.
    const BROKEN: &[(&str, &str)] = &[
        ("this is { no perl\n", "the app before goes on"),
        (
            "die 'out of bananas';\n",
            "its last words: out of bananas at /srv/app/app.pl line 1.",
        ),
        (
            "kill 'KILL', $$; sleep 10;\n",
            "was killed by SIGKILL before it served",
        ),
    ];
    on_each_suite(|suite| {
        let machine = serving(suite, UWSGI, &psgi("first", Duration::ZERO));
        let (before, apps) = (lasting(&machine), uwsgis(&machine));
        let tally = ask_while(&machine, &[LIVE, LIVE], |_| {
            for (app, expected) in BROKEN {
                deploy(&machine, app);
                let journal = failed_reload(&machine);
                assert!(journal.contains(expected), "{expected}: {journal}");
            }
        });
        println!("{suite}: {} broken deploys: {tally}", BROKEN.len());
        assert!(tally.failed.is_empty(), "{tally}");
        assert_eq!((lasting(&machine), uwsgis(&machine)), (before, apps));
        assert_eq!(get(&machine, "/version"), "first\n");
        let status = machine.unit(UNIT, "StatusText");
        let told = [
            "not as its file says since 2",
            " UTC (a reload failed: uwsgi was killed by SIGKILL before it served)",
        ];
        assert!(told.iter().all(|part| status.contains(part)), "{status}");
        deploy(&machine, &psgi("mended", Duration::ZERO));
        reload(&machine);
        assert_eq!(get(&machine, "/version"), "mended\n");
        let status = machine.unit(UNIT, "StatusText");
        assert!(!status.contains("not as its file"), "{status}");
        wait_for_uwsgis(&machine, 3);
    });
}

#[test]
fn a_wrong_file_and_what_takes_a_restart_are_told_until_they_are_mended() {
    on_each_suite(|suite| {
        let machine = serving(suite, UWSGI, &psgi("first", Duration::ZERO));
        let status = |part: &str| {
            let status = machine.unit(UNIT, "StatusText");
            assert!(status.contains(part), "{part}: {status}");
        };
        drop_in(&machine, &format!("{UWSGI}hook-as-user = nonsense:x\n"));
        let journal = failed_reload(&machine);
        assert!(
            journal.contains("user001.ini:8: unknown hook action 'nonsense'"),
            "{journal}"
        );
        status("not as its file says since ");
        drop_in(&machine, &format!("{UWSGI}hook-as-user = print:hello\n"));
        reload(&machine);
        status("(a restart takes: hooks)");
        drop_in(&machine, UWSGI);
        reload(&machine);
        assert!(!machine.unit(UNIT, "StatusText").contains("not as its file"));
        assert_eq!(get(&machine, "/version"), "first\n");
    });
}

/// A version that never serves is removed when its time is over.
#[test]
fn a_version_that_hangs_while_it_loads_is_removed_at_the_limit_of_a_start() {
    on_each_suite(|suite| {
        let machine = serving(suite, UWSGI, &psgi("first", Duration::ZERO));
        let before = (lasting(&machine), uwsgis(&machine));
        drop_in(&machine, &format!("{UWSGI}[Service]\nTimeoutStartSec=6\n"));
        deploy(&machine, &psgi("second", Duration::from_secs(1000)));
        let begun = Instant::now();
        let tally = ask_while(&machine, &[LIVE], |_| {
            let journal = failed_reload(&machine);
            assert!(journal.contains("uwsgi did not serve within 5 s"), "{journal}");
        });
        println!("{suite}: removed after {:?}: {tally}", begun.elapsed());
        assert!(tally.failed.is_empty(), "{tally}");
        assert_eq!((lasting(&machine), uwsgis(&machine)), before);
    });
}
