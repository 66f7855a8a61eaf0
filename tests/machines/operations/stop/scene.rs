//! A machine with a Python app, its vassals one after the other, and how long their stops take.

use std::time::{Duration, Instant};

use vassal_tests::{Layer, Machine, Owner, Suite, installed};

/// How long anything but a stop may take on a busy host.
pub const LIMIT: Duration = Duration::from_secs(30);

/// An app that says its process, sleeps for as long as it is asked to, and reads what it is asked to.
const APP: &str = "\
import os, time
def application(env, start):
    if env['QUERY_STRING']:
        time.sleep(float(env['QUERY_STRING']))
    if env['PATH_INFO'].startswith('/file/'):
        open(env['PATH_INFO'][5:]).read()
    start('200 OK', [('Content-Type', 'text/plain')])
    return [b'hello from %d\\n' % os.getpid()]
";

/// One with a child by subprocess.
const SUBPROCESS: &str = "\
import subprocess
child = subprocess.Popen(['sleep', '1000'])
from app import application
";

/// One with a child by multiprocessing.
const MULTIPROCESSING: &str = "\
import multiprocessing, time
def work():
    while True:
        time.sleep(1000)
child = multiprocessing.Process(target=work, daemon=True)
child.start()
from app import application
";

/// The beginning of every vassal's file.
const HEAD: &str = "\
[uwsgi]
plugin = python3
uid = user001
gid = user001
http-socket = :9090
pythonpath = /srv/app
";

/// A machine with the package, these layers and the apps.
pub fn machine(suite: Suite, layers: &[Layer]) -> Machine {
    let mut all = vec![installed(suite)];
    all.extend_from_slice(layers);
    let machine = Machine::boot(suite, &all);
    let apps = [
        ("app", APP),
        ("with_subprocess", SUBPROCESS),
        ("with_multiprocessing", MULTIPROCESSING),
    ];
    for (name, text) in apps {
        machine.write(format!("/srv/app/{name}.py"), text, 0o644, Owner::ROOT);
    }
    machine.make_dir("/srv/spool", 0o755, Owner::USER001);
    machine
}

/// The unit of a vassal.
pub fn unit(name: &str) -> String {
    format!("vassal@{name}.service")
}

/// Starts the vassal `name`, whose file has these lines after the usual ones, and waits until it answers.
pub fn start(machine: &Machine, name: &str, lines: &str) {
    let file = format!("/etc/uwsgi/vassals/{name}.ini");
    machine.write(file, format!("{HEAD}{lines}"), 0o644, Owner::ROOT);
    machine.must(&["systemctl", "daemon-reload"]);
    machine.must(&["systemctl", "start", &unit(name)]);
    machine.poll_http(9090, "/", LIMIT);
}

/// Does something to the vassal `name`, and gives the time that it took.
pub fn timed(machine: &Machine, verb: &str, name: &str) -> Duration {
    let begun = Instant::now();
    machine.must(&["systemctl", verb, &unit(name)]);
    begun.elapsed()
}

/// Nothing had to be killed, and nothing is left.
pub fn assert_stopped_in_order(machine: &Machine, name: &str) {
    let journal = machine.journal(&unit(name));
    for wrong in [
        "did not stop within",
        "did not end within",
        "SIGKILL",
        "remains running",
    ] {
        assert!(!journal.contains(wrong), "{name}: {wrong}:\n{journal}");
    }
    let result = machine.unit(&unit(name), "Result");
    assert_eq!(result, "success", "{name}:\n{journal}");
    assert_eq!(machine.unit_pids(&unit(name)), [], "{name}");
}

/// How long the last stop took by systemd's own clock: what it takes to start systemctl on a busy host is not part of it.
pub fn stopped_in(machine: &Machine, name: &str) -> Duration {
    let at = |property: &str| -> u64 {
        let text = machine.unit(&unit(name), &format!("{property}TimestampMonotonic"));
        match text.parse() {
            Ok(micros) => micros,
            Err(reason) => panic!("{name}: {property}: {text:?}: {reason}"),
        }
    };
    Duration::from_micros(at("InactiveEnter") - at("ActiveExit"))
}
