//! What an app does to the listening sockets that it shares with the next one.

use std::time::Duration;

use vassal_tests::{Machine, Owner, installed, on_each_suite};

const LIMIT: Duration = Duration::from_secs(30);
const UNIT: &str = "vassal@spoils.service";

/// Answers each connection with its number, until it is asked to spoil what it listens at; it ends then.
const APP: &str = r#"
import os, socket
listening = socket.socket(fileno=3)
while True:
    connection = listening.accept()[0]
    if b"/spoil" in connection.recv(4096):
        listening.setblocking(False)
        listening.shutdown(socket.SHUT_RDWR)
        os._exit(3)
    try:
        connection.send(b"HTTP/1.0 200 OK\r\n\r\n%d" % os.getpid())
    except OSError:
        pass
    connection.close()
"#;

#[test]
fn a_socket_that_an_app_has_shut_down_serves_again_after_the_next_start() {
    // The address, and how it is reached.
    const PLACES: [(&str, &str); 2] = [
        (
            "127.0.0.1:9090",
            "curl --silent --max-time 5 http://127.0.0.1:9090",
        ),
        (
            "/srv/own/app.sock",
            "curl --silent --max-time 5 --unix-socket /srv/own/app.sock http://x",
        ),
    ];
    on_each_suite(|suite| {
        let machine = Machine::boot(suite, &[installed(suite)]);
        machine.make_dir("/etc/uwsgi/vassals", 0o755, Owner::ROOT);
        machine.make_dir("/srv/own", 0o755, Owner::USER001);
        machine.write("/srv/app.py", APP, 0o644, Owner::ROOT);
        for (address, ask) in PLACES {
            let text = format!(
                "[uwsgi]\nuid = user001\ngid = user001\n[vassal]\ncommand = exec python3 /srv/app.py\nsocket = {address}\n"
            );
            machine.write("/etc/uwsgi/vassals/spoils.ini", text, 0o644, Owner::ROOT);
            machine.must(&["systemctl", "daemon-reload"]);
            machine.must(&["systemctl", "start", UNIT]);
            assert_ne!(machine.must_sh(&format!("{ask}/")), "", "{suite}: {address}");
            machine.sh(&format!("{ask}/spoil"));
            machine.wait_for("the next app", LIMIT, || {
                let answer = machine.sh(&format!("{ask}/"));
                if answer.succeeded() && !answer.stdout.is_empty() {
                    Ok(())
                } else {
                    Err(machine.journal(UNIT))
                }
            });
            assert_eq!(
                machine.unit(UNIT, "NRestarts"),
                "1",
                "{suite}: {address}: {}",
                machine.journal(UNIT)
            );
            machine.must(&["systemctl", "stop", UNIT]);
        }
    });
}
