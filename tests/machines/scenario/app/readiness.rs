//! When a vassal is ready: when its app accepts and every watched mount has answered, and not before.

use vassal_tests::{Machine, Owner, Pid, Suite};

use crate::LIMIT;
use crate::app::payload::{FILE_SERVER, starting};
use crate::event::wait_for_verdict;
use crate::vassals::{UNIT, drop_in, machine};

/// An app that is ready when somebody writes to a FIFO.
const LATE: &str = r"
import os, socket
open('/run/go').read()
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.sendto(b'READY=1\nSTATUS=late', '\0' + os.environ['NOTIFY_SOCKET'].lstrip('@'))
open('/run/never').read()
";

/// Sends READY=1 to a vassal's socket from outside, and returns when all of it has been read there (unix(7), SIOCOUTQ).
const OUTSIDER: &str = r"
import fcntl, socket, struct, sys, termios, time
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for attempt in range(3):
    notify.sendto(b'READY=1', '\0' + sys.argv[1].lstrip('@'))
    deadline = time.monotonic() + 10
    while struct.unpack('i', fcntl.ioctl(notify, termios.TIOCOUTQ, bytes(4)))[0]:
        assert time.monotonic() < deadline, 'nobody reads'
";

/// A vassal whose app is `LATE`.
const NOTIFYING: &str = "\
[uwsgi]
uid = user001
gid = user001
exec-as-user = fuse-zip -r /var/www/app001.zip /app
mountpoint-check = /app

[vassal]
command = python3 /srv/late.py
notify = true
";

fn late(suite: Suite) -> Machine {
    let machine = machine(suite);
    machine.must(&["mkfifo", "--mode=0666", "/run/go", "/run/never"]);
    machine.write("/srv/late.py", LATE, 0o644, Owner::ROOT);
    drop_in(&machine, "user001", NOTIFYING);
    machine.must(&["systemctl", "start", "--no-block", UNIT]);
    machine
}

/// The app, once it is what it is to be and not still the process that prepares it.
fn app(machine: &Machine) -> Pid {
    machine.wait_for("app", LIMIT, || {
        machine.pids_of(UNIT, "python3").first().copied().ok_or("none")
    })
}

fn states(machine: &Machine) -> [String; 2] {
    ["ActiveState", "SubState"].map(|property| machine.unit(UNIT, property))
}

/// The machine's monotonic clock in microseconds, as systemd stamps units.
fn now(machine: &Machine) -> u64 {
    let clock = machine.must(&["python3", "-c", "import time; print(time.monotonic_ns() // 1000)"]);
    clock.parse().unwrap()
}

#[test]
fn an_app_that_notifies_is_ready_when_it_says_so() {
    for suite in Suite::all() {
        let machine = late(suite);
        app(&machine);
        assert_eq!(states(&machine), ["activating", "start"]);
        let said = now(&machine);
        machine.must_sh("echo go > /run/go");
        machine.wait_for_unit(UNIT, "ActiveState", "active", LIMIT);
        let active: u64 = machine
            .unit(UNIT, "ActiveEnterTimestampMonotonic")
            .parse()
            .unwrap();
        assert!(active > said, "{active} {said}");
        assert!(
            machine
                .unit(UNIT, "StatusText")
                .starts_with("serving; /app healthy")
        );
    }
}

#[test]
fn nobody_outside_can_make_a_vassal_ready() {
    for suite in Suite::all() {
        let machine = late(suite);
        let environment = std::fs::read_to_string(format!("/proc/{}/environ", app(&machine))).unwrap();
        let socket = environment
            .split('\0')
            .find_map(|entry| entry.strip_prefix("NOTIFY_SOCKET="))
            .unwrap();
        assert!(socket.starts_with('@'), "{socket}");
        machine.must(&["python3", "-c", OUTSIDER, socket]);
        assert_eq!(
            states(&machine),
            ["activating", "start"],
            "{}",
            machine.journal(UNIT)
        );
        let said = now(&machine);
        machine.must_sh("echo go > /run/go");
        machine.wait_for_unit(UNIT, "ActiveState", "active", LIMIT);
        let active: u64 = machine
            .unit(UNIT, "ActiveEnterTimestampMonotonic")
            .parse()
            .unwrap();
        assert!(active > said, "{active} {said}");
    }
}

#[test]
fn a_vassal_is_not_ready_before_its_app_accepts() {
    let text = FILE_SERVER.replace("command = ", "command = read go < /run/go; exec ");
    for suite in Suite::all() {
        let machine = machine(suite);
        machine.must(&["mkfifo", "--mode=0666", "/run/go"]);
        drop_in(&machine, "user001", &text);
        machine.must(&["systemctl", "start", "--no-block", UNIT]);
        machine.wait_for("app that waits", LIMIT, || {
            if machine.pids_of(UNIT, "sh").is_empty() {
                Err(machine.journal(UNIT))
            } else {
                Ok(())
            }
        });
        machine.wait_for("status", LIMIT, || {
            let status = machine.unit(UNIT, "StatusText");
            if status.starts_with("starting; waiting for ") {
                Ok(())
            } else {
                Err(status)
            }
        });
        assert_eq!(states(&machine), ["activating", "start"]);
        machine.must_sh("echo go > /run/go");
        machine.wait_for_unit(UNIT, "ActiveState", "active", LIMIT);
        assert_eq!(machine.http(8000, "/name").unwrap().0, 200);
    }
}

#[test]
fn a_vassal_is_not_ready_before_its_mount_answers() {
    // The app accepts at once, and needs nothing of the mount; its daemon is stopped before it was asked anything.
    let stop = "exec-as-user = pkill -STOP -x fuse-zip\nmountpoint-check";
    let text = FILE_SERVER
        .replace("--directory /app", "--directory /srv")
        .replace("mountpoint-check", stop);
    for suite in Suite::all() {
        let machine = starting(suite, &text);
        machine.poll_http(8000, "/", LIMIT);
        assert_eq!(
            states(&machine),
            ["activating", "start"],
            "{}",
            machine.journal(UNIT)
        );
        let event = wait_for_verdict(&machine, "hung");
        assert_eq!(event.field("VASSAL_MOUNTPOINT"), "/app");
        assert_eq!(
            machine.unit(UNIT, "ActiveEnterTimestampMonotonic"),
            "0",
            "{}",
            machine.journal(UNIT)
        );
        machine.wait_for_journal(UNIT, "Failed with result 'watchdog'", LIMIT);
    }
}
