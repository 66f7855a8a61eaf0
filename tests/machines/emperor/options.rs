//! The Emperor's own options: each does what it does under uWSGI's Emperor, or is told of with its line.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use vassal_tests::{Machine, Owner, Signal, Suite, on_each_suite};

use crate::scene::{
    EMPEROR, LIMIT, SLEEPER, app, invocation, machine, put, unit, wait_on, wait_status, wait_version,
};

const EMPEROR_FILE: &str = "/etc/vassal/emperor.ini";
/// uWSGI's own Emperor, on the same machine.
const PEER: &str = "peer.service";

/// A machine whose emperor's file has `lines` more.
fn machine_with(suite: Suite, lines: &str) -> Machine {
    let machine = machine(suite);
    add(&machine, lines);
    machine
}

fn add(machine: &Machine, lines: &str) {
    let text = machine.read_text(EMPEROR_FILE);
    machine.write(EMPEROR_FILE, format!("{text}{lines}"), 0o644, Owner::ROOT);
}

/// Starts uWSGI's Emperor with `lines`, for the vassals in /etc/peer.
fn start_peer(machine: &Machine, lines: &str) {
    let text = format!("[uwsgi]\nemperor = /etc/peer\nemperor-freq = 1\n{lines}");
    machine.write("/etc/peer.ini", text, 0o644, Owner::ROOT);
    machine.must_sh("mkdir -p /etc/peer");
    machine.must(&[
        "systemd-run",
        "--quiet",
        &format!("--unit={PEER}"),
        "--property=KillSignal=SIGTERM",
        "sh",
        "-c",
        "exec $(command -v uwsgi || command -v uwsgi-core) --ini /etc/peer.ini",
    ]);
}

/// A program that tells that it was the one, and becomes uWSGI.
fn wrapper(machine: &Machine, path: &str) {
    let text =
        "#!/bin/sh\necho \"$0\" >>/run/wrapped\nexec $(command -v uwsgi || command -v uwsgi-core) \"$@\"\n";
    machine.write(path, text, 0o755, Owner::ROOT);
}

#[test]
fn the_programs_in_uwsgis_place_are_tried_in_the_order_of_the_emperor() {
    const CASES: [(&str, &str); 3] = [
        (
            "emperor-wrapper-override = /nowhere/x\nemperor-wrapper-override = named\nemperor-wrapper = /srv/one\n",
            "/usr/bin/named",
        ),
        (
            "emperor-wrapper = /srv/one\nemperor-wrapper-fallback = /srv/last\n",
            "/srv/one",
        ),
        (
            "emperor-wrapper = /nowhere/y\nemperor-wrapper-fallback = /nowhere/z\nemperor-wrapper-fallback = /srv/last\n",
            "/srv/last",
        ),
    ];
    on_each_suite(|suite| {
        let machine = machine(suite);
        for path in ["/usr/bin/named", "/srv/one", "/srv/last"] {
            wrapper(&machine, path);
        }
        machine.write("/run/wrapped", "", 0o666, Owner::ROOT);
        let emperor = machine.read_text(EMPEROR_FILE);
        for (at, (lines, expected)) in CASES.iter().enumerate() {
            machine.write("/run/wrapped", "", 0o666, Owner::ROOT);
            machine.write(EMPEROR_FILE, format!("{emperor}{lines}"), 0o644, Owner::ROOT);
            let name = format!("w{at}");
            put(&machine, &name, &app(9090, "1"));
            wait_version(&machine, 9090, "1");
            assert_eq!(
                machine.read_text("/run/wrapped").trim(),
                *expected,
                "{suite}: {lines}"
            );
            machine.must(&["rm", &crate::scene::path(&name)]);
            crate::scene::wait_gone(&machine, &name);
            // And uWSGI's own Emperor.
            machine.write("/run/wrapped", "", 0o666, Owner::ROOT);
            start_peer(&machine, lines);
            machine.write("/etc/peer/p.ini", app(9091, "1"), 0o644, Owner::ROOT);
            wait_version(&machine, 9091, "1");
            machine.must(&["rm", "/etc/peer/p.ini"]);
            machine.must(&["systemctl", "stop", PEER]);
            assert_eq!(
                machine.read_text("/run/wrapped").trim(),
                *expected,
                "{suite}: uWSGI: {lines}"
            );
        }
    });
}

#[test]
fn the_curse_tolerance_is_how_long_an_app_may_take_to_stop() {
    on_each_suite(|suite| {
        let machine = machine_with(suite, "emperor-curse-tolerance = 3\n");
        let deaf = "[uwsgi]\nuid = nobody\ngid = nogroup\n[vassal]\ncommand = trap '' TERM; while :; do sleep 1; done\n";
        put(&machine, "deaf", deaf);
        put(&machine, "own", &format!("{deaf}stop-timeout = 1\n"));
        for (name, seconds) in [("deaf", 3), ("own", 1)] {
            wait_on(&machine, name);
            assert_eq!(machine.unit(&unit(name), "TimeoutStopUSec"), "3s", "{suite}");
            let begun = Instant::now();
            machine.must(&["systemctl", "stop", &unit(name)]);
            let took = begun.elapsed();
            let limit = Duration::from_secs(seconds);
            assert!(took >= limit && took < limit * 3, "{suite}: {name}: {took:?}");
            assert_eq!(machine.unit(&unit(name), "Result"), "success", "{suite}: {name}");
        }
    });
}

#[test]
fn the_throttle_is_the_pause_between_two_attempts() {
    on_each_suite(|suite| {
        let machine = machine_with(suite, "emperor-throttle = 200\nemperor-no-blacklist = true\n");
        let bad = "[uwsgi]\nuid = nobody\ngid = nogroup\n[vassal]\ncommand = sleep 0.05; exit 3\nready = /run/never\n";
        put(&machine, "bad", bad);
        // Usually there are four attempts in the first five seconds.
        machine.wait_for("many attempts", LIMIT, || {
            let starts = machine
                .journal(&unit("bad"))
                .matches(" exited with 3 before it served")
                .count();
            if starts >= 8 { Ok(()) } else { Err(starts) }
        });
        machine.must(&["rm", &crate::scene::path("bad")]);
        crate::scene::wait_gone(&machine, "bad");
    });
}

#[test]
fn an_app_whose_heart_has_stopped_is_restarted_by_its_watchdog_and_one_that_never_had_one_is_not() {
    on_each_suite(|suite| {
        let machine = machine_with(suite, "emperor-required-heartbeat = 3\n");
        put(&machine, "beats", &format!("{}heartbeat = 1\n", app(9090, "1")));
        put(&machine, "silent", &app(9091, "1"));
        wait_version(&machine, 9090, "1");
        wait_version(&machine, 9091, "1");
        let before = ["beats", "silent"].map(|name| invocation(&machine, name));
        std::thread::sleep(Duration::from_secs(5));
        assert_eq!(
            ["beats", "silent"].map(|name| invocation(&machine, name)),
            before,
            "{suite}"
        );
        for name in ["beats", "silent"] {
            let workers = machine.pids_of(&unit(name), "uwsgi");
            workers
                .iter()
                .for_each(|pid| assert!(machine.kill(*pid, Signal::SIGSTOP)));
        }
        machine.wait_for("a restart", LIMIT, || {
            let now = invocation(&machine, "beats");
            if now != before[0] && !now.is_empty() {
                Ok(())
            } else {
                Err(now)
            }
        });
        wait_version(&machine, 9090, "1");
        machine.wait_for_journal(&unit("beats"), "silent (no heartbeat for 3 s)", LIMIT);
        let journal = machine.journal(&unit("beats"));
        assert!(
            journal.contains("Failed with result 'watchdog'"),
            "{suite}: {journal}"
        );
        assert_eq!(invocation(&machine, "silent"), before[1], "{suite}");
    });
}

/// The words before a colon in a JSON text.
fn keys(text: &str) -> BTreeSet<String> {
    let words = text.split('"').collect::<Vec<_>>();
    let is_key = |at: &usize| {
        words
            .get(at + 1)
            .is_some_and(|after| after.trim_start().starts_with(':'))
    };
    let odd = (1..words.len()).step_by(2);
    odd.filter(is_key).map(|at| words[at].to_owned()).collect()
}

const READ_ALL: &str = "use IO::Socket::INET; my $s = IO::Socket::INET->new($ARGV[0]) or die \"$!\"; local $/; print scalar <$s>";

#[test]
fn the_statistics_have_the_emperors_keys_and_are_told_where_its_option_says() {
    on_each_suite(|suite| {
        let machine = machine_with(suite, "emperor-stats = 127.0.0.1:5000\n");
        put(&machine, "a", &app(9090, "1"));
        put(&machine, "bad", "[uwsgi]\nuid = nobody-of-that-name\n");
        wait_version(&machine, 9090, "1");
        start_peer(&machine, "emperor-stats = 127.0.0.1:5001\n");
        machine.write("/etc/peer/p.ini", app(9091, "1"), 0o644, Owner::ROOT);
        machine.write("/etc/peer/bad.ini", "[uwsgi]\nexit = 1\n", 0o644, Owner::ROOT);
        wait_version(&machine, 9091, "1");
        let read = |port: u16| machine.run(&["perl", "-e", READ_ALL, &format!("127.0.0.1:{port}")]);
        let theirs = machine.wait_for("a blacklist", LIMIT, || {
            let text = read(5001).stdout;
            if text.contains("\"attempt\"") {
                Ok(text)
            } else {
                Err(text)
            }
        });
        let ours = machine.wait_for("statistics", LIMIT, || {
            let text = read(5000).stdout;
            if text.contains("\"attempt\"") {
                Ok(text)
            } else {
                Err(text)
            }
        });
        let missing: Vec<_> = keys(&theirs).difference(&keys(&ours)).cloned().collect();
        assert_eq!(missing, Vec::<String>::new(), "{suite}: {ours}");
        for part in [
            "\"id\": \"a.ini\"",
            "\"accepting\": 1",
            "\"id\": \"bad.ini\"",
            "\"monitor\": \"/etc/uwsgi/vassals\"",
        ] {
            let packed = part.replace(": ", ":");
            assert!(
                ours.contains(part) || ours.contains(&packed),
                "{suite}: {part}: {ours}"
            );
        }
        assert_eq!(
            keys(&machine.must(&["vassalctl", "stats", "--json"])),
            keys(&ours),
            "{suite}"
        );
        // It moves with the line.
        let text = machine
            .read_text(EMPEROR_FILE)
            .replace("127.0.0.1:5000", "/run/stats.sock");
        machine.write(EMPEROR_FILE, text, 0o644, Owner::ROOT);
        machine.wait_for("the socket", LIMIT, || {
            let seen = machine.sh("test -S /run/stats.sock");
            if seen.succeeded() { Ok(()) } else { Err(seen) }
        });
        assert!(!read(5000).succeeded(), "{suite}");
    });
}

#[test]
fn what_has_no_effect_is_told_with_its_line_and_what_is_refused_stops_nothing() {
    const LINES: [(&str, &str); 8] = [
        ("emperor-broodlord = 3", "give it more processes"),
        ("emperor-cap = setuid", "write cap ="),
        ("emperor-extra-extension = .conf", "rename them"),
        ("emperor-freq = 9", "seen at once"),
        ("emperor-tyrant-nofollow = true", "no tyrant mode"),
        ("hook-emperor-start = exec:true", "hook-as-emperor"),
        ("reload-mercy = 4", "stop-timeout"),
        ("emperor-throttle = 1", "taken as 100ms"),
    ];
    on_each_suite(|suite| {
        let machine = machine(suite);
        put(&machine, "a", SLEEPER);
        wait_on(&machine, "a");
        let text = machine.read_text(EMPEROR_FILE);
        let first = text.lines().count() + 1;
        let lines: String = LINES.iter().map(|(line, _)| format!("{line}\n")).collect();
        add(&machine, &lines);
        for (at, (line, words)) in LINES.iter().enumerate() {
            let place = format!("emperor.ini:{}: ", first + at);
            let journal = machine.wait_for_journal(EMPEROR, &place, LIMIT);
            let told = journal
                .lines()
                .find(|told| told.contains(&place))
                .unwrap_or_default();
            // Everybody may read the unit's files; the journal of an administrator's check says all.
            assert!(told.contains("emperor.ini"), "{suite}: {line}: {told}");
            let check = machine.run(&["vassalctl", "check"]);
            let all = format!("{}{}", check.stdout, check.stderr);
            assert!(all.contains(words), "{suite}: {line}: {all}");
        }
        let before = invocation(&machine, "a");
        for switch in ["emperor-magic-exec", "emperor-tyrant"] {
            machine.write(
                EMPEROR_FILE,
                format!("{text}{switch} = true\n"),
                0o644,
                Owner::ROOT,
            );
            wait_status(&machine, &format!("emperor.ini:{first}: {switch}"));
            assert_eq!(invocation(&machine, "a"), before, "{suite}: {switch}");
        }
        machine.write(EMPEROR_FILE, text, 0o644, Owner::ROOT);
        wait_status(&machine, "as the files say");
    });
}

#[test]
fn several_emperors_files_are_one_by_inclusion_and_patterns_are_followed() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.must_sh("mkdir -p /etc/other/vassals /srv/sites/x");
        machine.write(
            "/etc/other/emperor.ini",
            "[uwsgi]\nemperor = /etc/other/vassals\nemperor = glob:///srv/sites/*/v-*.ini\n",
            0o644,
            Owner::ROOT,
        );
        add(&machine, "include = /etc/other/emperor.ini\n");
        put(&machine, "a", SLEEPER);
        machine.write("/etc/other/vassals/b.ini", SLEEPER, 0o644, Owner::ROOT);
        machine.write("/srv/sites/x/v-c.ini", SLEEPER, 0o644, Owner::ROOT);
        for name in ["a", "b", "v-c"] {
            wait_on(&machine, name);
        }
        // A directory that a pattern names appears later.
        machine.must_sh("mkdir /srv/sites/y; cp /srv/sites/x/v-c.ini /srv/sites/y/v-d.ini");
        wait_on(&machine, "v-d");
        machine.must_sh("rm -r /srv/sites/y");
        crate::scene::wait_gone(&machine, "v-d");
    });
}
