//! An app that falls ill while the next one loads: that one relieves it, which is sooner than a restart would be. If it does not come to
//! serve, the verdict follows.

use std::time::Duration;

use vassal_tests::{Machine, Owner, Suite};

use crate::LIMIT;
use crate::scene::{UNIT, UWSGI, deploy, drop_in, get, lasting, machine, on_each_suite, uwsgis};

const HEALTH: &str = "[vassal]
health = http://:9090/up
health-interval = 0.1
health-failures = 2
";

/// An app of that version, which is ill when the file `/srv/app/ill` names it. `last` is what it does at the end of its loading.
fn app(version: &str, loads: Duration, last: &str) -> String {
    let loads = loads.as_secs_f32();
    format!(
        "use strict; use warnings;
select undef, undef, undef, {loads};
{last};
sub {{
    my ($env) = @_;
    my $ill = '';
    if (open my $file, '<', '/srv/app/ill') {{ $ill = <$file> // ''; close $file; }}
    my $status = $env->{{PATH_INFO}} eq '/up' && $ill eq '{version}' ? 503 : 200;
    return [$status, ['Content-Length' => length '{version}'], ['{version}']];
}};
"
    )
}

fn fall_ill(machine: &Machine, version: &str) {
    machine.write("/srv/app/ill", version, 0o644, Owner::ROOT);
}

/// A machine whose app is asked for its health, and is well.
fn asked(suite: Suite) -> Machine {
    let machine = machine(suite, &app("first", Duration::ZERO, ""));
    drop_in(&machine, &format!("{UWSGI}{HEALTH}"));
    machine.must(&["systemctl", "start", UNIT]);
    wait_until_well(&machine);
    machine
}

fn wait_until_well(machine: &Machine) {
    machine.wait_for("a good answer", LIMIT, || {
        let status = machine.unit(UNIT, "StatusText");
        if status.contains("uwsgi healthy (asked 0.") {
            Ok(())
        } else {
            Err(status)
        }
    });
}

/// Waits until there are more processes than those of one app.
fn wait_for_two(machine: &Machine) {
    machine.wait_for("the next app", LIMIT, || match uwsgis(machine).len() {
        0..=3 => Err("one app"),
        _ => Ok(()),
    });
}

#[test]
fn an_app_that_falls_ill_while_the_next_one_loads_is_relieved_by_it_and_not_restarted() {
    on_each_suite(|suite| {
        let machine = asked(suite);
        let before = lasting(&machine);
        deploy(&machine, &app("second", Duration::from_secs(3), ""));
        std::thread::scope(|scope| {
            let reload = scope.spawn(|| machine.must(&["systemctl", "reload", UNIT]));
            wait_for_two(&machine);
            fall_ill(&machine, "first");
            reload.join().unwrap();
        });
        assert_eq!(get(&machine, "/"), "second");
        wait_until_well(&machine);
        assert_eq!(lasting(&machine), before, "{suite}");
        assert!(
            !machine.journal(UNIT).contains("sick"),
            "{}",
            machine.journal(UNIT)
        );
    });
}

#[test]
fn an_app_that_falls_ill_beside_one_that_does_not_load_is_restarted_when_that_is_over() {
    on_each_suite(|suite| {
        let machine = asked(suite);
        deploy(&machine, &app("second", Duration::from_secs(2), "die 'no'"));
        std::thread::scope(|scope| {
            let reload = scope.spawn(|| machine.run(&["systemctl", "reload", UNIT]));
            wait_for_two(&machine);
            fall_ill(&machine, "first");
            assert!(!reload.join().unwrap().succeeded(), "{suite}");
        });
        machine.wait_for_journal(
            UNIT,
            "health: uwsgi sick (status 503, 2 failures in a row)",
            LIMIT,
        );
        deploy(&machine, &app("third", Duration::ZERO, ""));
        machine.poll_http(9090, "/", LIMIT);
        assert_eq!(get(&machine, "/"), "third", "{suite}");
    });
}
