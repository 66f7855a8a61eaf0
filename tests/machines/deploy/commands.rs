//! Any program: sockets that are bound for it and handed over as systemd does, and reloads that overlap.

use vassal_tests::{Machine, Owner, Suite};

use crate::LIMIT;
use crate::client::{Client, Server, ask_while};
use crate::scene::{LIVE, UNIT, drop_in, failed_reload, get, lasting, machine, on_each_suite, reload};

/// A server on the sockets that it is handed, which loads for a while and ends in order.
const SERVER: &str = r#"
import os, signal, socket, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

version = "@VERSION@"
time.sleep(float(os.environ.get("LOADS", "0")))
names = os.environ["LISTEN_FDNAMES"].split(":")
count = int(os.environ["LISTEN_FDS"])
assert int(os.environ["LISTEN_PID"]) == os.getpid() and len(names) == count
sockets = [socket.socket(fileno=number) for number in range(3, 3 + count)]
# Now: a request may still be answered when they are closed.
listening = [f"{name} {each.getsockname()} {each.family.name}" for name, each in zip(names, sockets)]

class Handler(BaseHTTPRequestHandler):
    def address_string(self):
        return "client"
    def log_message(self, *arguments):
        pass
    def do_GET(self):
        if self.path == "/slow":
            time.sleep(0.1)
        if self.path == "/health":
            status = 200 if time.time() - begun > float(os.environ.get("ILL", "0")) else 503
        else:
            status = 200
        body = {"/version": version, "/live": "live", "/slow": "slow"}.get(self.path, "\n".join(listening)) + "\n"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

class Server(ThreadingHTTPServer):
    daemon_threads = False
    def __init__(self, listening):
        super().__init__(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
    def get_request(self):
        connection, address = self.socket.accept()
        return connection, address or ("client", 0)

begun = time.time()
servers = [Server(each) for each in sockets]
def stop(*arguments):
    for server in servers:
        threading.Thread(target=server.shutdown).start()
signal.signal(signal.SIGTERM, stop)
threads = [threading.Thread(target=server.serve_forever, args=(0.01,)) for server in servers]
for thread in threads:
    thread.start()
if "NOTIFY_SOCKET" in os.environ:
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.sendto(b"READY=1", "\0" + os.environ["NOTIFY_SOCKET"][1:])
for thread in threads:
    while thread.is_alive():
        thread.join(0.1)
for server in servers:
    server.server_close()
"#;

const FILE: &str = "[uwsgi]
uid = user001
gid = user001

[vassal]
command = python3 /srv/app/server.py
socket = :9090
";

fn put(machine: &Machine, version: &str) {
    machine.write(
        "/srv/app/server.py",
        SERVER.replace("@VERSION@", version),
        0o644,
        Owner::ROOT,
    );
}

fn serving(suite: Suite, text: &str) -> Machine {
    let machine = machine(suite, "");
    put(&machine, "first");
    drop_in(&machine, text);
    machine.must(&["systemctl", "start", UNIT]);
    machine
}

#[test]
fn a_command_gets_its_sockets_as_systemd_hands_them_over() {
    const SOCKETS: &str = "socket = six:[::1]:9091
socket = unix:/run/user001.sock
socket-mode = 660
socket-owner = user001:www-data
socket-backlog = 7
";
    on_each_suite(|suite| {
        let machine = serving(suite, &format!("{FILE}{SOCKETS}"));
        let expected = "listen ('0.0.0.0', 9090) AF_INET\nsix ('::1', 9091, 0, 0) AF_INET6\nunix /run/user001.sock AF_UNIX\n";
        assert_eq!(get(&machine, "/sockets"), expected);
        let file = machine.must(&["stat", "--format=%a %U %G", "/run/user001.sock"]);
        assert_eq!(file.trim(), "660 user001 www-data");
        let backlog = machine.must_sh("ss -xlH src /run/user001.sock | awk '{print $4}'");
        assert_eq!(backlog.trim(), "7");
        // They stay open over a restart, and are closed by a stop.
        let tally = ask_while(&machine, &[LIVE], |_| {
            (0..3).for_each(|_| drop(machine.must(&["systemctl", "restart", UNIT])));
        });
        assert!(tally.failed.is_empty(), "{tally}");
        machine.must(&["systemctl", "stop", UNIT]);
        assert!(machine.http(9090, "/live").is_err());
        let client = Client {
            server: Server::Port(9091),
            ..LIVE
        };
        assert!(crate::client::ask(&machine, &client).is_err());
    });
}

#[test]
fn every_way_to_be_ready_lets_a_command_be_replaced_without_a_failed_request() {
    const READY: &[&str] = &[
        "",
        "notify = true\n",
        "ready = :9090\n",
        "ready = http://:9090/health\n",
    ];
    on_each_suite(|suite| {
        let machine = serving(suite, FILE);
        for (number, ready) in READY.iter().enumerate() {
            put(&machine, "before");
            drop_in(&machine, &format!("{FILE}{ready}"));
            machine.must(&["systemctl", "restart", UNIT]);
            let (before, version) = (lasting(&machine), format!("version {number}"));
            put(&machine, &version);
            drop_in(
                &machine,
                &format!("{FILE}{ready}").replace("python3", "env LOADS=1 ILL=0.5 python3"),
            );
            let tally = ask_while(&machine, &[LIVE, LIVE], |_| {
                reload(&machine);
                // It was told to stop, and may not have heard it yet.
                machine.wait_for("next version", LIMIT, || {
                    let seen = get(&machine, "/version");
                    if seen.trim() == version { Ok(()) } else { Err(seen) }
                });
            });
            println!("{suite}: '{}': {tally}", ready.trim());
            assert!(tally.failed.is_empty(), "{ready}: {tally}");
            assert_eq!(lasting(&machine), before, "{ready}");
        }
    });
}

/// A server with a loop of events, which has accepted a connection some time before it reads it, and closes what it has not read when
/// it is told to end.
const EAGER: &str = r#"
import selectors, signal, socket, time
listening = socket.socket(fileno=3)
listening.setblocking(False)
selector = selectors.EpollSelector()
selector.register(listening, selectors.EVENT_READ)
waiting, over = {}, False

def stop(*arguments):
    global over
    over = True

signal.signal(signal.SIGTERM, stop)
while not over:
    for _ in selector.select(0.002):
        try:
            waiting[listening.accept()[0]] = time.monotonic() + 0.02
        except BlockingIOError:
            pass
    for connection, due in list(waiting.items()):
        if due > time.monotonic() or over:
            continue
        del waiting[connection]
        connection.setblocking(True)
        try:
            if connection.recv(4096):
                connection.send(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nlive\n")
        except OSError:
            pass
        connection.close()
for connection in waiting:
    connection.close()
"#;

/// Without being drained it closes some connection at nearly every reload.
#[test]
fn a_server_that_closes_what_it_has_not_read_is_given_the_time_to_read_it() {
    on_each_suite(|suite| {
        let machine = machine(suite, "");
        machine.write("/srv/app/server.py", EAGER, 0o644, Owner::ROOT);
        drop_in(&machine, FILE);
        machine.must(&["systemctl", "start", UNIT]);
        let tally = ask_while(&machine, &[LIVE, LIVE, LIVE, LIVE], |round| {
            for number in 1..=10 {
                round.begin(number);
                reload(&machine);
            }
        });
        println!("{suite}: {tally}");
        assert!(tally.failed.is_empty(), "{tally}");
    });
}

#[test]
fn a_command_that_does_not_start_is_no_deploy_and_one_without_a_socket_has_none() {
    on_each_suite(|suite| {
        let machine = serving(suite, FILE);
        machine.write(
            "/srv/app/server.py",
            "import no_such_module\n",
            0o644,
            Owner::ROOT,
        );
        let tally = ask_while(&machine, &[LIVE], |_| {
            let journal = failed_reload(&machine);
            let expected = "its last words: ModuleNotFoundError: No module named 'no_such_module'";
            assert!(journal.contains(expected), "{journal}");
        });
        assert!(tally.failed.is_empty(), "{tally}");
        assert_eq!(get(&machine, "/version"), "first\n");
        drop_in(&machine, &FILE.replace("socket = :9090\n", "ready = started\n"));
        let journal = failed_reload(&machine);
        assert!(journal.contains("[vassal] has no reload-signal"), "{journal}");
        assert_eq!(get(&machine, "/version"), "first\n");
    });
}
