//! Files and sockets that uWSGI opens as root before it changes its user.

mod keys;

use std::time::Duration;

use vassal_tests::{Boot, Machine, Owner, Suite, fixtures, installed, on_each_suite};

/// An app of user001's.
const APP: &str =
    "[uwsgi]\nuid = user001\ngid = user001\nmaster = true\nplugin = psgi\npsgi = /srv/myapp.pl\n";

/// More than journald takes on a busy host.
const LIMIT: Duration = Duration::from_secs(30);

fn boot(suite: Suite) -> Machine {
    let machine = Boot::of(suite).layer(&installed(suite)).start().unwrap();
    machine.write("/srv/myapp.pl", fixtures::psgi_app("app"), 0o644, Owner::ROOT);
    machine.write("/srv/name", "app\n", 0o644, Owner::ROOT);
    machine
}

fn vassal(machine: &Machine, name: &str, lines: &str) -> String {
    let text = format!("{APP}{lines}");
    machine.write(format!("/etc/uwsgi/vassals/{name}.ini"), text, 0o644, Owner::ROOT);
    format!("vassal@{name}.service")
}

fn start(machine: &Machine, unit: &str) {
    let started = machine.run(&["timeout", "30", "systemctl", "start", unit]);
    assert!(
        started.succeeded(),
        "{}: {started}\n{}",
        machine.suite(),
        machine.journal(unit)
    );
}

/// What `curl` gets of a URL, in the machine.
fn serves(machine: &Machine, url: &str) {
    let got = machine.run(&[
        "curl",
        "--silent",
        "--show-error",
        "--insecure",
        "--max-time",
        "5",
        url,
    ]);
    assert_eq!(
        got.stdout,
        "app\n",
        "{} {url}: {got}\n{}",
        machine.suite(),
        machine.state()
    );
}

/// Each refusal has its code, STATUS names the line, and the journal what to do.
fn refused(machine: &Machine, unit: &str, words: &str) {
    let started = machine.run(&["timeout", "30", "systemctl", "start", unit]);
    assert!(!started.succeeded(), "{} {unit} has started", machine.suite());
    let (code, status) = (
        machine.unit(unit, "ExecMainStatus"),
        machine.unit(unit, "StatusText"),
    );
    assert_eq!(code, "78", "{} {unit}: {status}", machine.suite());
    assert!(status.contains(".ini:"), "{} {unit}: {status}", machine.suite());
    machine.wait_for_journal(unit, words, LIMIT);
}

#[test]
fn shared_sockets_below_1024_are_open_over_reloads_and_restarts() {
    const CASES: &[(&str, &str, &str)] = &[
        (
            "router",
            "plugin = http\nshared-socket = 127.0.0.1:81\nhttp = =0\n",
            "http://127.0.0.1:81/live",
        ),
        (
            "workers",
            "shared-socket = :82\nhttp-socket = =0\n",
            "http://127.0.0.1:82/live",
        ),
        (
            "six",
            "shared-socket = 127.0.0.1:83\nshared-socket = [::1]:83\nhttp-socket = =1\n",
            "http://[::1]:83/live",
        ),
        // The second in the order of the file is 1, whoever binds it.
        (
            "two",
            "undeferred-shared-socket = 127.0.0.1:9301\nshared-socket = 127.0.0.1:84\nhttp-socket = =1\n",
            "http://127.0.0.1:84/live",
        ),
        (
            "named",
            "shared-socket = localhost:9302\nshared-socket = 127.0.0.1:9303\nhttp-socket = =1\n",
            "http://127.0.0.1:9303/live",
        ),
    ];
    on_each_suite(|suite| {
        let machine = boot(suite);
        for (name, lines, url) in CASES {
            let unit = vassal(&machine, name, lines);
            start(&machine, &unit);
            serves(&machine, url);
            let socket = |machine: &Machine| {
                machine.must_sh(&format!(
                    "ss -ltnHe '{}' | grep -o 'ino:[0-9]*' || true",
                    "sport < 86"
                ))
            };
            let before = socket(&machine);
            machine.must(&["systemctl", "reload", &unit]);
            serves(&machine, url);
            machine.must(&["systemctl", "restart", &unit]);
            serves(&machine, url);
            assert_eq!(socket(&machine), before, "{suite} {name}: bound again");
            machine.must(&["systemctl", "stop", &unit]);
            assert_eq!(machine.sh("ss -ltnH 'sport < 86'").stdout, "", "{suite} {name}");
        }
    });
}

#[test]
fn a_log_that_uwsgi_opens_again_is_made_for_its_user() {
    const CASES: &[(&str, &str)] = &[
        ("size", "logto = /var/log/size.log\nlog-maxsize = 1000\n"),
        ("reopen", "daemonize = /var/log/reopen.log\nlog-reopen = true\n"),
        (
            "touch",
            "logto = /var/log/touch.log\ntouch-logreopen = /tmp/touched\n",
        ),
        (
            "master",
            "logto = /var/log/master.log\nlog-master = true\nlog-maxsize = 500\nlog-backupname = /var/log/old\n",
        ),
        ("mode", "logto = /var/log/mode.log\nlogfile-chmod = 640\n"),
    ];
    on_each_suite(|suite| {
        let machine = boot(suite);
        // As the Emperor leaves it.
        machine.write("/var/log/touch.log", "before\n", 0o640, Owner::ROOT);
        for (at, (name, lines)) in CASES.iter().enumerate() {
            let port = 9100 + at;
            let unit = vassal(
                &machine,
                name,
                &format!("http-socket = 127.0.0.1:{port}\n{lines}"),
            );
            start(&machine, &unit);
            serves(&machine, &format!("http://127.0.0.1:{port}/live"));
            machine.must(&["systemctl", "reload", &unit]);
            serves(&machine, &format!("http://127.0.0.1:{port}/live"));
            let log = format!("/var/log/{name}.log");
            assert_eq!(
                machine.must(&["stat", "-c", "%U %G %a", &log]),
                "user001 user001 640",
                "{suite}"
            );
            assert!(machine.read_text(&log).contains("GET /live"), "{suite} {name}");
        }
        assert!(
            machine.read_text("/var/log/touch.log").starts_with("before\n"),
            "{suite}"
        );
    });
}

#[test]
fn a_log_of_somebody_elses_or_with_another_name_is_not_given_away() {
    on_each_suite(|suite| {
        let machine = boot(suite);
        machine.must_sh(
            "install -d -o user002 -m 755 /srv/theirs; echo secret >/etc/secret; chmod 600 /etc/secret",
        );
        machine.must_sh("ln /etc/secret /var/log/linked.log; ln -s /etc/secret /srv/theirs/a.log; mv /srv/theirs/a.log /srv/theirs/b.log");
        machine.must_sh(
            "touch /var/log/theirs.log; chown user002 /var/log/theirs.log; chmod 600 /var/log/theirs.log",
        );
        for (name, log) in [
            ("linked", "/var/log/linked.log"),
            ("theirs", "/var/log/theirs.log"),
        ] {
            let unit = vassal(
                &machine,
                name,
                &format!("http-socket = 127.0.0.1:9100\nlogto = {log}\nlog-reopen = true\n"),
            );
            refused(&machine, &unit, &format!("chown user001 {log}"));
        }
        // A link of a tenant's is not followed as root; uWSGI follows it as the user, and may not open what is there.
        let unit = vassal(
            &machine,
            "link",
            "http-socket = 127.0.0.1:9100\nlogto = /srv/theirs/b.log\nlog-reopen = true\n",
        );
        machine.run(&["timeout", "10", "systemctl", "start", &unit]);
        machine.must(&["systemctl", "stop", &unit]);
        assert_eq!(
            machine.must(&["stat", "-c", "%U %a", "/etc/secret"]),
            "root 600",
            "{suite}"
        );
        assert_eq!(
            machine.must(&["stat", "-c", "%U", "/var/log/theirs.log"]),
            "user002",
            "{suite}"
        );
    });
}

#[test]
fn a_spoolers_directory_is_made_for_the_user_or_its_owner_is_told() {
    on_each_suite(|suite| {
        let machine = boot(suite);
        let unit = vassal(
            &machine,
            "made",
            "http-socket = 127.0.0.1:9100\nspooler = /var/spool/made\nspooler-external = /var/spool/external\n",
        );
        start(&machine, &unit);
        serves(&machine, "http://127.0.0.1:9100/live");
        for directory in ["/var/spool/made", "/var/spool/external"] {
            assert_eq!(
                machine.must(&["stat", "-c", "%U %G %a", directory]),
                "user001 user001 750",
                "{suite}"
            );
        }
        machine.must(&["systemctl", "restart", &unit]);
        machine.make_dir("/var/spool/roots", 0o755, Owner::ROOT);
        let unit = vassal(
            &machine,
            "roots",
            "http-socket = 127.0.0.1:9101\nspooler = /var/spool/roots\n",
        );
        refused(
            &machine,
            &unit,
            "roots.ini:8: '/var/spool/roots' cannot be written by user001",
        );
        machine.must_sh("chown user001 /var/spool/roots");
        start(&machine, &unit);
        machine.write("/run/locked", "", 0o600, Owner::ROOT);
        let unit = vassal(
            &machine,
            "lock",
            "http-socket = 127.0.0.1:9102\nflock = /run/locked\n",
        );
        refused(&machine, &unit, "chown user001 /run/locked");
        machine.must_sh("chown user001 /run/locked");
        start(&machine, &unit);
    });
}

#[test]
fn check_as_root_sees_what_a_start_would_meet_and_migrate_what_changes() {
    on_each_suite(|suite| {
        let machine = boot(suite);
        machine.make_dir("/var/spool/roots", 0o755, Owner::ROOT);
        vassal(
            &machine,
            "ports",
            "plugin = http\nhttp = localhost:80\nstats = /run/stats.sock\nspooler = /var/spool/roots\n",
        );
        let said = machine.run(&["vassalctl", "check", "ports"]).stdout;
        for word in ["low-port", "users-file"] {
            assert!(said.contains(word), "{suite}: no {word} in {said}");
        }
        vassal(
            &machine,
            "fine",
            "shared-socket = :80\nhttp-socket = =0\nspooler = /var/spool/new\nlogto = /var/log/new.log\nlog-reopen = 1\n",
        );
        let said = machine.run(&["vassalctl", "check", "fine"]);
        assert!(said.succeeded(), "{suite}: {said}");
        let said = machine
            .run(&["vassalctl", "migrate", "/etc/uwsgi/vassals"])
            .stdout;
        for option in ["shared-socket", "spooler", "log-reopen"] {
            let mut lines = said.lines();
            let is_changed = |line: &str| line.contains(" changed ") && line.contains(option);
            assert!(lines.any(is_changed), "{suite}: {option} in {said}");
        }
    });
}
