//! Where root connects because a file says so: to a unix socket in a directory of the tenant's, who puts a link to another one there.

use std::time::Duration;

use vassal_tests::{AS_USER001, Machine, Owner, Suite, installed, on_each_suite};

const LIMIT: Duration = Duration::from_secs(30);
const UNIT: &str = "vassal@asked.service";
/// As many questions as are asked of an app in this time, it has the chance to lead one astray.
const CHANCE: Duration = Duration::from_secs(2);

/// A server at a unix socket that answers every request with 200, and notes the user that connects and what is asked.
const SERVER: &str = r#"
import os, socket, struct, sys
listening = socket.socket(socket.AF_UNIX)
try:
    os.unlink(sys.argv[1])
except FileNotFoundError:
    pass
listening.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
listening.listen(64)
while True:
    connection = listening.accept()[0]
    user = struct.unpack("iII", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
    request = connection.recv(4096).split(b"\r\n")[0].decode()
    if len(sys.argv) > 2:
        with open(sys.argv[2], "a") as heard:
            print(user, request, file=heard)
    try:
        connection.send(b"HTTP/1.0 200 OK\r\n\r\n")
    except OSError:
        pass
    connection.close()
"#;

/// A machine with a server of root's in a directory that root alone may enter, and one that everybody may connect to.
fn machine(suite: Suite) -> Machine {
    let machine = Machine::boot(suite, &[installed(suite)]);
    machine.make_dir("/etc/uwsgi/vassals", 0o755, Owner::ROOT);
    machine.write("/srv/server.py", SERVER, 0o644, Owner::ROOT);
    machine.must_sh(
        "mkdir -p /srv/vault /srv/open /srv/own/real; chmod 700 /srv/vault; chown -R user001: /srv/own\n\
         ln -s real /srv/own/run; chown -h user001: /srv/own/run\n\
         systemd-run --unit=vault --quiet python3 /srv/server.py /srv/vault/app.sock /srv/heard-in-vault\n\
         systemd-run --unit=open --quiet python3 /srv/server.py /srv/open/app.sock /srv/heard-in-open",
    );
    machine.wait_for("the servers", LIMIT, || {
        let seen = machine.sh("test -S /srv/vault/app.sock && test -S /srv/open/app.sock");
        if seen.succeeded() { Ok(()) } else { Err(seen) }
    });
    machine
}

fn put(machine: &Machine, settings: &str) {
    let text = format!(
        "[uwsgi]\nuid = user001\ngid = user001\n[vassal]\ncommand = exec python3 /srv/server.py /srv/own/real/app.sock\n{settings}"
    );
    machine.write("/etc/uwsgi/vassals/asked.ini", text, 0o644, Owner::ROOT);
    machine.must(&["systemctl", "daemon-reload"]);
}

/// The tenant has the way to his socket lead elsewhere.
fn lead_to(machine: &Machine, target: &str) {
    let link = format!("ln -sfn {target} /srv/own/new && mv -T /srv/own/new /srv/own/run");
    machine.must(&[&AS_USER001[..], &["sh", "-c", &link]].concat());
}

fn heard(machine: &Machine, place: &str) -> String {
    machine.sh(&format!("cat /srv/heard-in-{place}")).stdout
}

#[test]
fn no_link_of_a_tenants_leads_a_question_of_roots_to_another_socket() {
    // How it is found out that the app serves.
    const READY: [&str; 2] = ["http://unix:/srv/own/run/app.sock:/up", "/srv/own/run/app.sock"];
    on_each_suite(|suite| {
        let machine = machine(suite);
        for ready in READY {
            lead_to(&machine, "/srv/vault");
            put(&machine, &format!("ready = {ready}\n"));
            machine.must(&["systemctl", "start", "--no-block", UNIT]);
            machine.wait_for("the app", LIMIT, || {
                match machine.pids_of(UNIT, "python3").len() {
                    0 => Err(machine.journal(UNIT)),
                    _ => Ok(()),
                }
            });
            std::thread::sleep(CHANCE);
            assert_eq!(heard(&machine, "vault"), "", "{suite}: {ready}");
            assert_eq!(
                machine.unit(UNIT, "ActiveState"),
                "activating",
                "{suite}: {ready}"
            );
            // Where his own user may go, his link may lead: what he has made is followed as that user.
            lead_to(&machine, "real");
            machine.wait_for_unit(UNIT, "ActiveState", "active", LIMIT);
            machine.must(&["systemctl", "stop", UNIT]);
        }
        lead_to(&machine, "/srv/open");
        put(&machine, &format!("ready = {}\n", READY[0]));
        machine.must(&["systemctl", "start", UNIT]);
        let seen = heard(&machine, "open");
        assert!(
            seen.lines().all(|line| line == "20001 GET /up HTTP/1.1"),
            "{suite}: {seen}"
        );
        assert!(!seen.is_empty(), "{suite}");
    });
}

#[test]
fn an_app_that_leads_its_health_check_to_another_socket_is_sick() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        put(
            &machine,
            "ready = /srv/own/real/app.sock\nhealth = http://unix:/srv/own/run/app.sock:/up\n\
             health-interval = 0.2\nhealth-deadline = 2\nhealth-failures = 2\n",
        );
        machine.must(&["systemctl", "start", UNIT]);
        machine.wait_for("health", LIMIT, || {
            let status = machine.unit(UNIT, "StatusText");
            if status.contains("healthy") {
                Ok(())
            } else {
                Err(status)
            }
        });
        lead_to(&machine, "/srv/vault");
        machine.wait_for_journal(UNIT, "python3 sick (EACCES", LIMIT);
        assert_eq!(heard(&machine, "vault"), "", "{suite}");
        // Nor can the tenant's processes end the questions: a verdict comes all the same.
        lead_to(&machine, "real");
        machine.wait_for_unit(UNIT, "ActiveState", "active", LIMIT);
    });
}

#[test]
fn a_socket_that_only_root_may_connect_to_is_asked_as_root() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        // As for a web server in front, of a group that the app is not in.
        machine.make_dir("/srv/front", 0o750, Owner::ROOT);
        put(
            &machine,
            "ready = http://unix:/srv/front/app.sock:/up\nsocket = /srv/front/app.sock\nsocket-owner = root:www-data\nsocket-mode = 660\n",
        );
        let served = SERVER.replace(
            "listening = socket.socket(socket.AF_UNIX)\n",
            "listening = socket.socket(fileno=3)\n",
        );
        let bound = served.split("try:\n    os.unlink").next().unwrap().to_owned()
            + "while True:\n"
            + served.split("while True:\n").nth(1).unwrap();
        machine.write("/srv/server.py", bound, 0o644, Owner::ROOT);
        machine.must(&["systemctl", "start", UNIT]);
        assert_eq!(machine.unit(UNIT, "ActiveState"), "active", "{suite}");
    });
}
