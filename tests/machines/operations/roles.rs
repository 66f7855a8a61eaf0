//! Vassals without workers: routers, cron, spoolers, mules, Emperors below the Emperor. No worker ever says that it accepts
//! requests, and they serve all the same.

use std::time::Duration;

use vassal_tests::{Boot, Machine, Owner, fixtures, installed, on_each_suite};

const LIMIT: Duration = Duration::from_secs(30);

/// Each kind, and the lines that make it; `APP` is an app with its plugin.
const ROLES: &[(&str, &str)] = &[
    (
        "cheap",
        "APP\nsocket = 127.0.0.1:9100\ncheap = true\nidle = 600\n",
    ),
    ("none", "APP\nhttp-socket = 127.0.0.1:9101\nprocesses = 0\n"),
    (
        "http",
        "plugin = http\nhttp = 127.0.0.1:9102\nhttp-to = 127.0.0.1:9100\n",
    ),
    (
        "fast",
        "plugin = fastrouter\nfastrouter = 127.0.0.1:9103\nfastrouter-to = 127.0.0.1:9100\n",
    ),
    (
        "subscription",
        "plugin = http\nhttp = 127.0.0.1:9104\nhttp-subscription-server = 127.0.0.1:9105\n",
    ),
    ("cron", "cron = -1 -1 -1 -1 -1 /bin/true\n"),
    ("daemon", "attach-daemon = /bin/sleep 1000\n"),
    (
        "pool",
        "plugin = zergpool\nzergpool = /srv/own/zerg.sock:127.0.0.1:9106\n",
    ),
    ("spooler", "APP\nspooler = /srv/own\nmule = true\n"),
    ("emperor", "emperor = /srv/own\n"),
];

fn boot(suite: vassal_tests::Suite) -> Machine {
    let machine = Boot::of(suite).layer(&installed(suite)).start().unwrap();
    fixtures::scenario(&machine);
    machine.write("/srv/myapp.pl", fixtures::psgi_app("app"), 0o644, Owner::ROOT);
    machine.write("/srv/name", "app\n", 0o644, Owner::ROOT);
    machine.make_dir("/srv/own", 0o755, Owner::USER001);
    for (name, lines) in ROLES {
        let app = "plugin = psgi\npsgi = /srv/myapp.pl";
        let text = format!(
            "[uwsgi]\nuid = user001\nmaster = true\n{}",
            lines.replace("APP", app)
        );
        machine.write(format!("/etc/uwsgi/vassals/{name}.ini"), text, 0o644, Owner::ROOT);
    }
    machine
}

#[test]
fn a_vassal_without_workers_is_ready_as_soon_as_it_has_loaded_everything() {
    on_each_suite(|suite| {
        let machine = boot(suite);
        let units: Vec<String> = ROLES
            .iter()
            .map(|(name, _)| format!("vassal@{name}.service"))
            .collect();
        let units: Vec<&str> = units.iter().map(String::as_str).collect();
        let started = machine.run(&[&["timeout", "30", "systemctl", "start"], &units[..]].concat());
        assert!(started.succeeded(), "{suite}: {started:?}\n{}", machine.state());
        for unit in &units {
            let (state, restarts) = (machine.unit(unit, "ActiveState"), machine.unit(unit, "NRestarts"));
            assert_eq!(
                (state.as_str(), restarts.as_str()),
                ("active", "0"),
                "{suite} {unit}"
            );
        }
        // The first request starts a worker of the cheap one; the router leads to it.
        machine.poll_http(9102, "/live", LIMIT);
        for unit in [
            "vassal@http.service",
            "vassal@cron.service",
            "vassal@cheap.service",
        ] {
            let before = machine.unit(unit, "MainPID");
            let reloaded = machine.run(&["timeout", "20", "systemctl", "reload", unit]);
            assert!(reloaded.succeeded(), "{suite} {unit}: {}", machine.journal(unit));
            assert_eq!(machine.unit(unit, "MainPID"), before, "{suite} {unit}");
        }
        machine.poll_http(9102, "/live", LIMIT);
        let stopped = machine.run(&[&["timeout", "30", "systemctl", "stop"], &units[..]].concat());
        assert!(stopped.succeeded(), "{suite}: {}", machine.state());
        for unit in &units {
            assert_eq!(machine.unit(unit, "Result"), "success", "{suite} {unit}");
        }
    });
}

#[test]
fn ready_names_an_address_for_uwsgi_too() {
    on_each_suite(|suite| {
        let machine = boot(suite);
        // Nothing accepts at that address until the hook's program has bound it.
        let late = "[uwsgi]\nuid = user001\nmaster = true\nattach-daemon = sh -c 'sleep 1; exec python3 -m http.server --bind 127.0.0.1 9110'\n\
                    [vassal]\nready = :9110\n";
        machine.write("/etc/uwsgi/vassals/late.ini", late, 0o644, Owner::ROOT);
        machine.must(&["systemctl", "start", "vassal@late.service"]);
        assert!(machine.connect(9110).is_ok(), "{suite}: active before it serves");
        machine.must(&["systemctl", "stop", "vassal@late.service"]);
    });
}
