//! Descriptors that are not what they were a moment ago.

use vassal_tests::{Owner, fixtures, on_each_suite};

use super::scene::{self, LIMIT};

/// Processes with many sockets. Each shares its descriptors with one that is not of the app's group, so nobody stops it, and that puts a
/// file whose close is never answered in the place of each socket, some moments after the app is stopped.
const APP: &str = r#"
import ctypes, os, random, socket, time
libc = ctypes.CDLL(None, use_errno=True)
CLONE_FILES, SIGCHLD = 0x400, 17
for _ in range(2):
    if os.fork():
        continue
    stuck = os.open("/mz/stuck", os.O_RDONLY)
    pairs = [end for _ in range(480) for end in socket.socketpair()]
    numbers = sorted(end.fileno() for end in pairs)
    own = os.getpid()
    if libc.syscall(56, CLONE_FILES | SIGCHLD, 0, 0, 0, 0) == 0:
        os.setsid()
        stat = os.open("/proc/%d/stat" % own, os.O_RDONLY)
        while b") T " not in os.pread(stat, 200, 0):
            pass
        begin = time.monotonic() + random.random() * 0.003
        while time.monotonic() < begin:
            pass
        for number in reversed(numbers):
            os.dup2(stuck, number)
        open("/srv/seen/%d" % own, "w").close()
        os._exit(0)
    time.sleep(1000)
time.sleep(1000)
"#;

/// How often it is tried: a copy is as quick as an exchange.
const ATTEMPTS: u32 = 8;

#[test]
fn a_file_that_takes_the_place_of_a_socket_keeps_no_watchdog_waiting() {
    const UNIT: &str = "vassal@swaps.service";
    on_each_suite(|suite| {
        let machine = scene::machine(suite);
        fixtures::mountpoint(&machine, "/mz", Owner::USER001);
        machine.make_dir("/srv/seen", 0o777, Owner::ROOT);
        machine.write("/srv/app.py", APP, 0o644, Owner::ROOT);
        // Nobody answers there: sick, a few seconds after the start.
        let text = "[uwsgi]\nuid = user001\ngid = user001\nexec-as-root = faultfs --owner 20001 /mz\n\
                    [vassal]\ncommand = exec python3 /srv/app.py\nhealth = http://127.0.0.1:1/\nhealth-interval = 0.5\n\
                    health-deadline = 1\nhealth-failures = 3\n";
        machine.write("/etc/uwsgi/vassals/swaps.ini", text, 0o644, Owner::ROOT);
        machine.must(&["systemctl", "daemon-reload"]);
        machine.must(&["systemctl", "start", UNIT]);
        machine.wait_for("restarts", LIMIT, || {
            let restarts: u32 = machine.unit(UNIT, "NRestarts").parse().unwrap();
            if restarts >= ATTEMPTS {
                Ok(())
            } else {
                Err(machine.journal(UNIT))
            }
        });
        assert_ne!(
            machine.must_sh("ls /srv/seen"),
            "",
            "{suite}: nothing was swapped"
        );
        let journal = machine.journal(UNIT);
        assert!(journal.contains("python3 sick"), "{suite}: {journal}");
        assert!(!journal.contains("Watchdog timeout"), "{suite}: {journal}");
        machine.must(&["systemctl", "stop", UNIT]);
    });
}
