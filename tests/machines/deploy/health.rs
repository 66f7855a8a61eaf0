//! An app that serves and is not well: it is asked for its health, and restarted when it fails. Nothing that it answers keeps its
//! watchdog from that, and no reload and no stop is taken for an illness.

use std::time::Duration;

use vassal_tests::{Machine, Owner, fixtures};

use crate::LIMIT;
use crate::client::ask_while;
use crate::scene::{
    LIVE, UNIT, UWSGI, deploy, drop_in, get, lasting, machine, on_each_suite, psgi, reload, serving,
};

/// A server that answers `/up` as the file `/srv/app/mood` says.
const SERVER: &str = r#"
import os, socket, struct, threading, time
listening = socket.socket(fileno=3)

def mood():
    return open("/srv/app/mood").read().strip()

def answer(connection):
    request = connection.recv(4096)
    # A connection that only looks who accepts it says nothing.
    path = request.split(b" ")[1] if request else b""
    now = mood() if path == b"/up" else "well"
    try:
        if now == "hangs":
            while mood() == "hangs":
                time.sleep(0.05)
        elif now == "drips":
            for byte in b"HTTP/1.1 200 OK\r\n" * 100:
                connection.send(bytes([byte]))
                time.sleep(0.2)
        elif now == "endless":
            while True:
                connection.send(b"x" * 65536)
        elif now == "resets":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif now == "ill":
            connection.send(b"HTTP/1.1 503 no\r\n\r\n")
        elif now == "large":
            connection.send(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100000 + b"\r\n")
        elif now == "well":
            connection.send(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nlive\n")
        connection.close()
    except OSError:
        pass

while True:
    threading.Thread(target=answer, args=(listening.accept()[0],), daemon=True).start()
"#;

const FILE: &str = "[uwsgi]
uid = user001
gid = user001

[vassal]
command = python3 /srv/app/server.py
socket = :9090
health = http://:9090/up
health-interval = 0.2
health-deadline = 1
health-failures = 2
";

fn mood(machine: &Machine, mood: &str) {
    machine.write("/srv/app/mood", mood, 0o644, Owner::ROOT);
}

fn restarts(machine: &Machine) -> u32 {
    machine.unit(UNIT, "NRestarts").parse().unwrap()
}

fn wait_for_status(machine: &Machine, part: &str) {
    machine.wait_for("status", LIMIT, || {
        let status = machine.unit(UNIT, "StatusText");
        if status.contains(part) {
            Ok(())
        } else {
            Err(status)
        }
    });
}

#[test]
fn an_app_that_fails_its_health_check_in_any_way_is_sick_and_restarted() {
    // What it does, and what is said of it.
    const SICK: &[(&str, &str)] = &[
        ("ill", "python3 sick (status 503, 2 failures in a row)"),
        (
            "hangs",
            "python3 sick (no answer within 1 s, 2 failures in a row)",
        ),
        (
            "drips",
            "python3 sick (no answer within 1 s, 2 failures in a row)",
        ),
        (
            "endless",
            "python3 sick (an answer that is no HTTP, 2 failures in a row)",
        ),
        (
            "closes",
            "python3 sick (closed without an answer, 2 failures in a row)",
        ),
        ("resets", "python3 sick (ECONNRESET, 2 failures in a row)"),
    ];
    on_each_suite(|suite| {
        let machine = machine(suite, "");
        machine.write("/srv/app/server.py", SERVER, 0o644, Owner::ROOT);
        mood(&machine, "well");
        drop_in(&machine, FILE);
        machine.must(&["systemctl", "start", UNIT]);
        wait_for_status(&machine, "serving; python3 healthy (asked 0.");
        for (how, expected) in SICK {
            // Each illness is a first one.
            machine.must(&["systemctl", "restart", UNIT]);
            let before = restarts(&machine);
            mood(&machine, how);
            machine.wait_for("restart", LIMIT, || {
                let now = restarts(&machine);
                if now > before {
                    Ok(())
                } else {
                    Err(format!("{how}: {now}"))
                }
            });
            mood(&machine, "well");
            machine.wait_for_journal(UNIT, &format!("user001.ini:8: health: {expected}"), LIMIT);
            machine.poll_http(9090, "/live", LIMIT);
            wait_for_status(&machine, expected);
        }
        // A long head is none.
        let before = lasting(&machine);
        mood(&machine, "large");
        let tally = ask_while(&machine, &[LIVE], |_| std::thread::sleep(Duration::from_secs(3)));
        assert!(tally.failed.is_empty(), "{tally}");
        assert_eq!(lasting(&machine), before);
        told_everywhere(&machine);
    });
}

/// A failure that is no verdict yet is told, and a good answer begins anew.
fn told_everywhere(machine: &Machine) {
    drop_in(
        machine,
        &FILE.replace("health-failures = 2", "health-failures = 100"),
    );
    reload(machine);
    mood(machine, "ill");
    wait_for_status(machine, " failing (status 503, ");
    let list = machine.must(&["vassalctl", "list"]);
    assert!(list.contains("failing "), "{list}");
    let status = machine.must(&["vassalctl", "status", "user001"]);
    assert!(status.contains("    Health: failing "), "{status}");
    let metrics = machine.must(&["vassalctl", "metrics"]);
    assert!(
        metrics.contains("vassal_app_healthy{vassal=\"user001\"} 0\n"),
        "{metrics}"
    );
    let record = machine.read_text("/run/vassal/health/user001.json");
    assert!(
        record.contains("\"check\":{\"verdict\":\"failing\",\"failures\":"),
        "{record}"
    );
    mood(machine, "well");
    wait_for_status(machine, "python3 healthy (asked 0.");
    let journal = machine.must_sh(
        "journalctl --sync; journalctl MESSAGE_ID=51184bce9158498a824ea1cc7e95ee07 -o cat | sort -u | wc -l",
    );
    assert_eq!(journal.trim(), "5", "sick in five words");
    let shown = machine.must(&["vassalctl", "show", "user001"]);
    assert!(shown.contains("http://127.0.0.1:9090/up"), "{shown}");
    let checked = machine.run(&["vassalctl", "check", "user001"]).stdout;
    assert!(
        checked.contains("health: http://127.0.0.1:9090/up is asked for"),
        "{checked}"
    );
}

#[test]
fn a_uwsgi_that_is_sick_is_restarted_and_what_was_written_is_saved() {
    const APP: &str = "use strict; use warnings;
sub {
    my ($env) = @_;
    my $path = $env->{PATH_INFO};
    my $body = \"live\\n\";
    if ($path eq '/write') { open my $file, '>', '/app/written' or die; print $file 'kept'; close $file or die; }
    if ($path eq '/read') { open my $file, '<', '/app/written' or die; $body = join '', <$file>; }
    my $status = $path eq '/up' && -e '/srv/app/ill' ? 503 : 200;
    return [$status, ['Content-Length' => length $body], [$body]];
};
";
    const TEXT: &str = "exec-as-user = fuse-zip /srv/zip/app001.zip /app
mountpoint-check = /app
[vassal]
health = http://:9090/up
health-interval = 0.2
";
    on_each_suite(|suite| {
        let machine = machine(suite, APP);
        machine.must_sh("mkdir /srv/zip; chown user001 /srv/zip");
        fixtures::zip_app(&machine, "/srv/zip/app001.zip", "app001");
        machine.must_sh("chown user001 /srv/zip/app001.zip");
        fixtures::mountpoint(&machine, "/app", Owner::USER001);
        drop_in(&machine, &format!("{UWSGI}{TEXT}"));
        machine.must(&["systemctl", "start", UNIT]);
        wait_for_status(&machine, "uwsgi healthy (asked");
        assert_eq!(get(&machine, "/write"), "live\n");
        machine.write("/srv/app/ill", "", 0o644, Owner::ROOT);
        machine.wait_for_unit(UNIT, "NRestarts", "1", LIMIT);
        machine.must(&["rm", "/srv/app/ill"]);
        machine.wait_for_unit(UNIT, "ActiveState", "active", LIMIT);
        assert_eq!(get(&machine, "/read"), "kept");
        let expected = "user001.ini:11: health: uwsgi sick (status 503, 3 failures in a row)";
        let journal = machine.wait_for_journal(UNIT, expected, LIMIT);
        assert!(!journal.contains("is lost"), "{journal}");
    });
}

#[test]
fn no_reload_and_no_stop_is_taken_for_an_illness() {
    const HEALTH: &str = "[vassal]
health = http://:9090/live
health-interval = 0.1
health-deadline = 0.3
health-failures = 1
";
    let loads = Duration::from_secs(2);
    on_each_suite(|suite| {
        let machine = serving(suite, &format!("{UWSGI}{HEALTH}"), &psgi("first", Duration::ZERO));
        deploy(&machine, &psgi("second", loads));
        let before = lasting(&machine);
        let tally = ask_while(&machine, &[LIVE], |_| (0..3).for_each(|_| reload(&machine)));
        assert!(tally.failed.is_empty(), "{tally}");
        assert_eq!(lasting(&machine), before);
        wait_for_status(&machine, "uwsgi healthy (asked 0.");
        // In place: there is no worker until it has loaded.
        let text = format!("{UWSGI}touch-reload = /srv/app/touched\n{HEALTH}reload = in-place\n");
        machine.write("/srv/app/touched", "", 0o644, Owner::ROOT);
        drop_in(&machine, &text);
        machine.must(&["systemctl", "restart", UNIT]);
        wait_for_status(&machine, "uwsgi healthy (asked 0.");
        let before = lasting(&machine);
        reload(&machine);
        wait_for_status(&machine, "uwsgi healthy (asked 0.");
        assert_eq!(lasting(&machine), before);
        // By itself: until its master asks for the configuration, it is asked in vain for up to a second.
        drop_in(
            &machine,
            &text.replace("health-failures = 1", "health-failures = 5"),
        );
        machine.must(&["systemctl", "restart", UNIT]);
        let before = lasting(&machine);
        deploy(&machine, &psgi("third", loads));
        machine.must(&["touch", "/srv/app/touched"]);
        machine.wait_for("its own reload", LIMIT, || match machine.http(9090, "/version") {
            Ok((200, body)) if body == b"third\n" => Ok(()),
            other => Err(format!("{other:?}")),
        });
        wait_for_status(&machine, "uwsgi healthy (asked 0.");
        assert_eq!(lasting(&machine), before);
        machine.must(&["systemctl", "stop", UNIT]);
        assert_eq!(machine.unit(UNIT, "Result"), "success");
        let journal = machine.journal(UNIT);
        assert!(!journal.contains("sick"), "{journal}");
    });
}
