//! What two apps cannot share is reloaded in place, and the line is told.

use std::time::Duration;

use crate::LIMIT;
use crate::scene::{UNIT, UWSGI, drop_in, lasting, on_each_suite, psgi, reload, serving, uwsgis};

#[test]
fn a_line_that_two_apps_cannot_share_is_told_and_the_app_reloads_in_place() {
    // What is added to the file, and what the journal says.
    const CASES: &[(&str, &str)] = &[
        (
            "stats = 127.0.0.1:1717\n",
            "user001.ini:8: reload in place: 'stats': uWSGI binds it itself",
        ),
        (
            "mule =\n",
            "user001.ini:8: reload in place: 'mule': its work would be done twice",
        ),
        (
            "[vassal]\nreload = in-place\n",
            "user001.ini:9: reload in place: reload = in-place in [vassal]",
        ),
        (
            "http-socket = :9091\n",
            "user001.ini:8: reload in place: 0.0.0.0:9091 is not bound yet",
        ),
    ];
    on_each_suite(|suite| {
        let machine = serving(suite, UWSGI, &psgi("first", Duration::ZERO));
        for (added, expected) in CASES {
            drop_in(&machine, UWSGI);
            machine.must(&["systemctl", "restart", UNIT]);
            machine.poll_http(9090, "/live", LIMIT);
            drop_in(&machine, &format!("{UWSGI}{added}"));
            let (before, app) = (lasting(&machine), uwsgis(&machine)[0]);
            reload(&machine);
            machine.wait_for_journal(UNIT, expected, LIMIT);
            assert_eq!((lasting(&machine), uwsgis(&machine)[0]), (before, app), "{added}");
        }
    });
}
