//! Users of the host who have no vassal: what they can do to those who have.

use std::time::Duration;

use vassal_tests::{Boot, Machine, Owner, Suite, installed, on_each_suite};

const LIMIT: Duration = Duration::from_secs(30);
const EMPEROR: &str = "vassal-emperor.service";

fn with_emperor(suite: Suite) -> Machine {
    let machine = Boot::of(suite).layer(&installed(suite)).emperor().start();
    let machine = machine.unwrap_or_else(|failure| panic!("{suite}: {failure}"));
    machine.wait_for_unit(EMPEROR, "ActiveState", "active", LIMIT);
    machine
}

/// Sends READY=1 to every notification socket of a vassal's that it finds: the names are in /proc/net/unix.
const LIAR: &str = r#"
import re, socket
sent = False
while True:
    for name in re.findall(r"@(vassal-\w+)", open("/proc/net/unix").read()):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as to:
            try:
                to.connect("\0" + name)
                to.send(b"READY=1")
            except OSError:
                continue
            if not sent:
                sent = True
                open("/srv/lied/sent", "w").close()
"#;

/// Is ready when it is told to be.
const APP: &str = r#"
import os, socket, time
while not os.path.exists("/srv/go"):
    time.sleep(0.05)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
    to.sendto(b"READY=1", "\0" + os.environ["NOTIFY_SOCKET"][1:])
time.sleep(1000)
"#;

#[test]
fn nobody_else_can_make_a_vassal_ready_that_sees_the_hosts_processes() {
    const UNIT: &str = "vassal@seen.service";
    on_each_suite(|suite| {
        let machine = Machine::boot(suite, &[installed(suite)]);
        machine.make_dir("/etc/uwsgi/vassals", 0o755, Owner::ROOT);
        machine.make_dir("/etc/vassal", 0o755, Owner::ROOT);
        machine.make_dir("/srv/lied", 0o777, Owner::ROOT);
        let emperor = "[uwsgi]\nemperor = /etc/uwsgi/vassals\nemperor-use-clone = fs\n";
        machine.write("/etc/vassal/emperor.ini", emperor, 0o644, Owner::ROOT);
        machine.write("/srv/liar.py", LIAR, 0o644, Owner::ROOT);
        machine.write("/srv/app.py", APP, 0o644, Owner::ROOT);
        let text = "[uwsgi]\nuid = user001\ngid = user001\n[vassal]\ncommand = exec python3 /srv/app.py\nnotify = true\n";
        machine.write("/etc/uwsgi/vassals/seen.ini", text, 0o644, Owner::ROOT);
        machine.must(&["systemctl", "daemon-reload"]);
        machine.must(&["systemctl", "start", "--no-block", UNIT]);
        machine.must(&[
            "systemd-run",
            "--unit=liar",
            "--quiet",
            "--uid=user002",
            "python3",
            "/srv/liar.py",
        ]);
        machine.wait_for("a lie", LIMIT, || {
            let seen = machine.sh("test -e /srv/lied/sent");
            if seen.succeeded() { Ok(()) } else { Err(seen) }
        });
        machine.wait_for_journal(UNIT, "outside of the vassal writes", LIMIT);
        assert_eq!(machine.unit(UNIT, "ActiveState"), "activating", "{suite}");
        machine.must(&["touch", "/srv/go"]);
        machine.wait_for_unit(UNIT, "ActiveState", "active", LIMIT);
        machine.must(&["systemctl", "stop", "liar"]);
    });
}

/// Connects so many times, as fast as it can, and waits for no answer.
const FLOOD: &str = r#"
import socket, sys
for _ in range(int(sys.argv[2])):
    with socket.socket(socket.AF_UNIX) as to:
        try:
            to.connect(sys.argv[1])
        except OSError:
            pass
"#;

#[test]
fn a_flood_of_connections_to_the_statistics_ends_nothing_and_they_are_told_again() {
    const SOCKET: &str = "/run/stats.sock";
    const ASK: &str = "timeout 20 python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.connect(\"/run/stats.sock\"); \
        print(s.makefile().read())'";
    on_each_suite(|suite| {
        let machine = with_emperor(suite);
        let emperor = machine.read_text("/etc/vassal/emperor.ini");
        machine.write(
            "/etc/vassal/emperor.ini",
            format!("{emperor}emperor-stats = {SOCKET}\n"),
            0o644,
            Owner::ROOT,
        );
        machine.wait_for_unit("vassal-stats.socket", "ActiveState", "active", LIMIT);
        assert!(machine.must_sh(ASK).contains("\"vassals\""), "{suite}");
        machine.write("/srv/flood.py", FLOOD, 0o644, Owner::ROOT);
        machine.must_sh(&format!(
            "setpriv --reuid=user002 --clear-groups python3 /srv/flood.py {SOCKET} 3000"
        ));
        assert_eq!(
            machine.unit("vassal-stats.socket", "ActiveState"),
            "active",
            "{suite}"
        );
        assert!(machine.must_sh(ASK).contains("\"vassals\""), "{suite}");
    });
}

/// Tells every connection on the bus, in systemd's words, that its job has failed, and what no signal of systemd's looks like.
const FORGER: &str = r#"
import subprocess
MANAGER = "org.freedesktop.systemd1.Manager.JobRemoved"
def send(name, *body):
    subprocess.run(["dbus-send", "--system", "--type=signal", "--dest=" + name, "/org/freedesktop/systemd1", MANAGER, *body],
                   stderr=subprocess.DEVNULL)
while True:
    names = [line.split()[0] for line in subprocess.getoutput("busctl --no-legend list --unique").splitlines()]
    jobs = [line.split()[0] for line in subprocess.getoutput("systemctl --no-legend list-jobs").splitlines()]
    for name in names:
        for job in [job for job in jobs if job.isdigit()]:
            path = "/org/freedesktop/systemd1/job/" + job
            send(name, "uint32:" + job, "objpath:" + path, "string:vassal@a.service", "string:failed")
            open("/srv/forged/" + job, "w").close()
        send(name, "string:no number")
"#;

#[test]
fn no_signal_of_another_user_of_the_bus_is_taken_for_systemds() {
    const SLOW: &str = "select undef, undef, undef, 4; sub { [200, [], [$ENV{VERSION}]] };\n";
    on_each_suite(|suite| {
        let machine = with_emperor(suite);
        machine.make_dir("/srv/forged", 0o777, Owner::ROOT);
        machine.write("/srv/forger.py", FORGER, 0o644, Owner::ROOT);
        machine.write("/srv/app/app.pl", SLOW, 0o644, Owner::ROOT);
        let put = |version: &str| {
            let text = format!(
                "[uwsgi]\nplugin = psgi\nmaster = true\nhttp-socket = :9090\npsgi = /srv/app/app.pl\n\
                 uid = www-data\ngid = www-data\nenv = VERSION={version}\n"
            );
            machine.write("/etc/uwsgi/new", text, 0o644, Owner::ROOT);
            machine.must(&["mv", "/etc/uwsgi/new", "/etc/uwsgi/vassals/a.ini"]);
        };
        let wait_for = |version: &str| {
            machine.wait_for(&format!("version {version}"), LIMIT, || {
                match machine.http(9090, "/") {
                    Ok((200, body)) if body == version.as_bytes() => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            });
        };
        put("1");
        wait_for("1");
        machine.must(&[
            "systemd-run",
            "--unit=forger",
            "--quiet",
            "--uid=user002",
            "python3",
            "/srv/forger.py",
        ]);
        put("2");
        wait_for("2");
        machine.wait_for_journal(EMPEROR, "a: reloaded", LIMIT);
        machine.must(&["systemctl", "stop", "forger"]);
        assert_ne!(
            machine.must_sh("ls /srv/forged"),
            "",
            "{suite}: nothing was forged"
        );
        let journal = machine.journal(EMPEROR);
        for lie in ["cannot be reloaded", "trying again", "is restarted"] {
            assert!(!journal.contains(lie), "{suite}: {lie}: {journal}");
        }
    });
}
