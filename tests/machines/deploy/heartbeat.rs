//! `WATCHDOG=1` of a program that sends it: it is told how often, and restarted when it stops.

use std::time::Duration;

use vassal_tests::{Machine, Owner, Suite};

use crate::LIMIT;
use crate::client::ask_while;
use crate::scene::{LIVE, UNIT, drop_in, get, lasting, machine, on_each_suite, reload};

/// A server that does what sd_notify(3) and sd_watchdog_enabled(3) say, and stops sending when `/srv/app/dumb` is there.
const SERVER: &str = r#"
import os, socket, threading, time
listening = socket.socket(fileno=3)
usec = int(os.environ.get("WATCHDOG_USEC", "0"))
enabled = usec > 0 and int(os.environ.get("WATCHDOG_PID", os.getpid())) == os.getpid()

def notify(text):
    if "NOTIFY_SOCKET" in os.environ:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.sendto(text, "\0" + os.environ["NOTIFY_SOCKET"][1:])

def beat():
    while enabled:
        if not os.path.exists("/srv/app/dumb"):
            notify(b"WATCHDOG=1")
        time.sleep(usec / 3e6)

notify(b"STATUS=up\nREADY=1")
if "@BEATS@" == "yes":
    threading.Thread(target=beat, daemon=True).start()
while True:
    connection = listening.accept()[0]
    request = connection.recv(4096)
    # A connection that only looks who accepts it says nothing.
    path = request.split(b" ")[1] if request else b""
    body = {b"/watchdog": f"{enabled} {usec}\n", b"/version": "@VERSION@\n"}.get(path, "live\n").encode()
    connection.send(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    connection.close()
"#;

const FILE: &str = "[uwsgi]
uid = user001
gid = user001

[vassal]
command = python3 /srv/app/server.py
socket = :9090
";

fn put(machine: &Machine, version: &str, beats: &str) {
    let text = SERVER.replace("@VERSION@", version).replace("@BEATS@", beats);
    machine.write("/srv/app/server.py", text, 0o644, Owner::ROOT);
}

fn serving(suite: Suite, text: &str, beats: &str) -> Machine {
    let machine = machine(suite, "");
    put(&machine, "first", beats);
    drop_in(&machine, text);
    machine.must(&["systemctl", "start", UNIT]);
    machine
}

fn wait_for_restart(machine: &Machine, count: u32, expected: &str) {
    machine.wait_for_unit(UNIT, "NRestarts", &count.to_string(), LIMIT);
    let journal = machine.wait_for_journal(UNIT, expected, LIMIT);
    assert!(journal.contains(expected), "{journal}");
    machine.wait_for_unit(UNIT, "ActiveState", "active", LIMIT);
}

#[test]
fn a_program_that_has_sent_its_watchdogs_message_has_to_go_on_and_one_that_never_did_has_not() {
    on_each_suite(|suite| {
        let text = format!("{FILE}notify = true\n[Service]\nWatchdogSec=5\n");
        let machine = serving(suite, &text, "yes");
        assert_eq!(get(&machine, "/watchdog"), "True 5000000\n");
        let before = lasting(&machine);
        let tally = ask_while(&machine, &[LIVE], |_| std::thread::sleep(Duration::from_secs(7)));
        assert!(tally.failed.is_empty(), "{tally}");
        assert_eq!(lasting(&machine), before);
        // After a reload the same holds for the next one, whose process has another number.
        put(&machine, "second", "yes");
        reload(&machine);
        assert_eq!(get(&machine, "/version"), "second\n");
        assert_eq!(get(&machine, "/watchdog"), "True 5000000\n");
        std::thread::sleep(Duration::from_secs(7));
        assert_eq!(lasting(&machine), before);
        machine.write("/srv/app/dumb", "", 0o644, Owner::ROOT);
        let expected = "user001: python3 silent (no WATCHDOG=1 for 5 s); it has sent it before";
        put(&machine, "third", "no");
        wait_for_restart(&machine, 1, expected);
        // This one never sends.
        let before = lasting(&machine);
        std::thread::sleep(Duration::from_secs(7));
        assert_eq!(lasting(&machine), before);
        let status = machine.unit(UNIT, "StatusText");
        assert!(
            status.contains("1 restart: python3 silent (no WATCHDOG=1 for 5 s)"),
            "{status}"
        );
        let journal = machine.must_sh(
            "journalctl --sync; journalctl MESSAGE_ID=5b0ede31a81b4503a0c75324ab8d29dd VASSAL_VERDICT=silent -o cat | wc -l",
        );
        assert_eq!(journal.trim(), "1");
    });
}

#[test]
fn what_the_file_demands_is_demanded_across_reloads_and_off_is_off() {
    on_each_suite(|suite| {
        // Its readiness is not told by it, and READY=1 of it is none.
        let demanded = format!("{FILE}watchdog = 2\n");
        let machine = serving(suite, &demanded, "yes");
        assert_eq!(get(&machine, "/watchdog"), "True 2000000\n");
        let before = lasting(&machine);
        std::thread::sleep(Duration::from_secs(7));
        assert_eq!(lasting(&machine), before);
        // The next one has never sent any, and serves.
        put(&machine, "second", "no");
        drop_in(&machine, &demanded.replace("watchdog = 2", "watchdog = 3"));
        reload(&machine);
        put(&machine, "third", "yes");
        wait_for_restart(
            &machine,
            1,
            "user001.ini:8: watchdog: python3 silent (no WATCHDOG=1 for 3 s)",
        );
        drop_in(
            &machine,
            &format!("{FILE}notify = true\nwatchdog = off\n[Service]\nWatchdogSec=5\n"),
        );
        machine.must(&["systemctl", "restart", UNIT]);
        assert_eq!(get(&machine, "/watchdog"), "False 0\n");
        let before = lasting(&machine);
        std::thread::sleep(Duration::from_secs(7));
        assert_eq!(lasting(&machine), before);
        drop_in(
            &machine,
            "[uwsgi]\nuid = user001\nhttp-socket = :9090\n[vassal]\nwatchdog = 5\n",
        );
        let started = machine.run(&["systemctl", "restart", UNIT]);
        assert!(!started.succeeded());
        let expected = "user001.ini:5: watchdog: uWSGI sends no WATCHDOG=1";
        machine.wait_for_journal(UNIT, expected, LIMIT);
    });
}
