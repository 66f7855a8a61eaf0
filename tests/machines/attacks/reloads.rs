//! What a tenant does to the process that becomes his next app, from the moment on in which that is his user's.

use std::time::{Duration, Instant};

use vassal_tests::{Machine, Owner, installed, on_each_suite};

const LIMIT: Duration = Duration::from_secs(30);
const UNIT: &str = "vassal@next.service";
/// How many reloads he may let pass.
const ATTEMPTS: usize = 20;

/// Stops every process of his that still has the name of vassal's program, as fast as he can.
const STOPPER: &str = r#"
import os, signal
open("/srv/ready/on", "w").close()
while True:
    for pid in os.listdir("/proc"):
        if not pid.isdigit() or int(pid) < 3:
            continue
        try:
            with open(f"/proc/{pid}/comm") as name:
                if name.read() == "vassal-enter\n":
                    os.kill(int(pid), signal.SIGSTOP)
                    open("/srv/stopped/" + pid, "w").close()
        except OSError:
            pass
"#;

const SERVER: &str = r#"
import os, socket
listening = socket.socket(fileno=3)
while True:
    connection = listening.accept()[0]
    connection.recv(4096)
    connection.send(b"HTTP/1.0 200 OK\r\n\r\n%d" % os.getpid())
    connection.close()
"#;

#[test]
fn a_next_app_that_a_tenant_stops_before_it_is_one_fails_its_reload_in_time_and_is_removed() {
    on_each_suite(|suite| {
        let machine = Machine::boot(suite, &[installed(suite)]);
        machine.make_dir("/etc/uwsgi/vassals", 0o755, Owner::ROOT);
        machine.make_dir("/srv/stopped", 0o777, Owner::ROOT);
        machine.make_dir("/srv/ready", 0o777, Owner::ROOT);
        machine.write("/srv/server.py", SERVER, 0o644, Owner::ROOT);
        machine.write("/srv/stopper.py", STOPPER, 0o644, Owner::ROOT);
        // Steps of the user's, each of which is a round to vassal-enter and back.
        let steps: String = (0..200)
            .map(|at| format!("hook-as-user = putenv:STEP{at}=1\n"))
            .collect();
        let text = format!(
            "[uwsgi]\nuid = user001\ngid = user001\n{steps}\
             [vassal]\ncommand = exec python3 /srv/server.py\nsocket = 127.0.0.1:9090\nhook-timeout = 3\n"
        );
        machine.write("/etc/uwsgi/vassals/next.ini", text, 0o644, Owner::ROOT);
        machine.must(&["systemctl", "daemon-reload"]);
        machine.must(&["systemctl", "start", UNIT]);
        machine.must_sh("systemd-run --unit=stopper --quiet --uid=user001 python3 /srv/stopper.py");
        machine.must_sh("while [ ! -e /srv/ready/on ]; do sleep 0.01; done");
        // The process may be an app before he comes to it.
        let (before, reloaded, took) = (0..ATTEMPTS)
            .map(|_| {
                let before = machine.http(9090, "/").unwrap();
                let begun = Instant::now();
                let reloaded = machine.run(&["systemctl", "reload", UNIT]);
                (before, reloaded, begun.elapsed())
            })
            .find(|_| machine.sh("ls /srv/stopped | grep .").succeeded())
            .unwrap_or_else(|| panic!("{suite}: nothing was stopped"));
        machine.must(&["systemctl", "stop", "stopper"]);
        machine.must(&["journalctl", "--sync"]);
        let journal = machine.journal(UNIT);
        assert!(!reloaded.succeeded(), "{suite}: {journal}");
        assert!(took < Duration::from_secs(20), "{suite}: {took:?}\n{journal}");
        assert!(journal.contains("hook-timeout"), "{suite}: {journal}");
        assert_eq!(machine.http(9090, "/").unwrap(), before, "{suite}");
        // What was stopped is gone, and in the way of nothing.
        machine.wait_for("the end of the next app", LIMIT, || {
            let left = machine.pids_of(UNIT, "vassal-enter");
            if left.is_empty() {
                Ok(())
            } else {
                Err(format!("{left:?}"))
            }
        });
        machine.must(&["systemctl", "reload", UNIT]);
        assert_ne!(machine.http(9090, "/").unwrap(), before, "{suite}");
        machine.must(&["systemctl", "stop", UNIT]);
    });
}
