//! Vassals that fail: at boot, again and again, mended while they wait.

mod attempts;
mod ends;
mod told;

use std::time::Duration;

use vassal_tests::{Boot, Machine, Owner, Suite, fixtures, installed};

/// More than anything here takes on a busy host.
const LIMIT: Duration = Duration::from_secs(40);
/// The unit of the vassal that fails.
const UNIT: &str = "vassal@hopeless.service";
/// What tries it again.
const RETRY: &str = "vassal-retry@hopeless.service";
const FILE: &str = "/etc/uwsgi/vassals/hopeless.ini";
/// Where the vassal listens, once it does.
const PORT: u16 = 9091;
/// A vassal that serves.
const GOOD: &str = "[uwsgi]\nplugin = psgi\nuid = user002\nhttp-socket = :9091\npsgi = /srv/app/myapp.pl\n";

/// The same with a hook that fails each time.
fn hopeless() -> String {
    format!("{GOOD}exec-as-user = echo the disk is away >&2; exit 3\n")
}

/// A machine that starts with these vassals, by name and text, and an app for them.
fn boots(suite: Suite, vassals: &[(&str, &str)]) -> Machine {
    let app = fixtures::psgi_app("app");
    let boot = Boot::of(suite)
        .layer(&installed(suite))
        .file("/srv/app/myapp.pl", app, 0o644, Owner::ROOT)
        .file("/srv/app/name", "app\n", 0o644, Owner::ROOT);
    let boot = vassals.iter().fold(boot, |boot, (name, text)| {
        boot.file(format!("/etc/uwsgi/vassals/{name}.ini"), text, 0o644, Owner::ROOT)
    });
    match boot.start() {
        Ok(machine) => machine,
        Err(failure) => panic!("{suite}: {failure}"),
    }
}

/// A machine on which the hopeless vassal has just failed for good.
fn failed(suite: Suite) -> Machine {
    let machine = boots(suite, &[("hopeless", &hopeless())]);
    machine.wait_for_unit(UNIT, "ActiveState", "failed", LIMIT);
    machine
}

/// The lines in which the vassal's attempts have told of their failures.
fn failures(machine: &Machine, unit: &str) -> usize {
    machine
        .journal(unit)
        .matches("its last words: the disk is away")
        .count()
}

/// Waits for a status line that begins so.
fn wait_for_status(machine: &Machine, unit: &str, beginning: &str) -> String {
    machine.wait_for(beginning, LIMIT, || {
        let status = machine.unit(unit, "StatusText");
        if status.starts_with(beginning) {
            Ok(status)
        } else {
            Err(status)
        }
    })
}
