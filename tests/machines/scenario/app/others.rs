//! The programs of docs/not-uwsgi.md in uWSGI's place: each starts, answers, reloads, recovers and stops as the guide says.

use vassal_tests::{Layer, Machine, Owner, Signal, Suite, fixtures, installed, on_each_suite};

use crate::LIMIT;
use crate::vassals::{UNIT, drop_in};

const GUIDE: &str = include_str!("../../../../docs/not-uwsgi.md");

const GUNICORNS: &str = "\
def app(environ, start):
    start('200 OK', [('Content-Type', 'text/plain')])
    return [b'gunicorn\\n']
";

const NODES: &str = "require('http').createServer((_, answer) => answer.end('node\\n')).listen(8000)\n";

const PHPS: &str = "<?php echo \"php\\n\";\n";

/// Asks PHP-FPM as a web server does, in FastCGI.
const FASTCGI: &str = r"
import socket, struct
def record(kind, body): return struct.pack('>BBHHBB', 1, kind, 1, len(body), 0, 0) + body
def pair(name, value): return bytes([len(name), len(value)]) + name + value
given = {b'SCRIPT_FILENAME': b'/app/index.php', b'REQUEST_METHOD': b'GET'}
peer = socket.create_connection(('127.0.0.1', 9000), 5)
peer.sendall(record(1, bytes([0, 1, 0, 0, 0, 0, 0, 0])) + record(4, b''.join(pair(*item) for item in given.items())) + record(4, b'') + record(5, b''))
answer = b''
while part := peer.recv(4096): answer += part
print(answer)
";

/// The first block in a language below a heading of the guide.
fn block(heading: &str, language: &str) -> String {
    let (_, part) = GUIDE.split_once(&format!("\n## {heading}\n")).unwrap();
    let (_, rest) = part.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// A machine with the programs, and an archive with all three apps.
fn machine(suite: Suite) -> Machine {
    let programs = Layer::with_debian(suite, &["gunicorn", "nodejs", "php-fpm"]).unwrap();
    let machine = Machine::boot(suite, &[installed(suite), programs]);
    fixtures::mountpoint(&machine, "/app", Owner::USER001);
    for (name, text) in [("app.py", GUNICORNS), ("server.js", NODES), ("index.php", PHPS)] {
        machine.write(format!("/root/{name}"), text, 0o644, Owner::ROOT);
    }
    machine.must_sh("mkdir -p /var/www; cd /root; zip -q /var/www/app001.zip app.py server.js index.php");
    machine
}

/// Starts the vassal of a heading, asks it by a command, and takes it through its life.
fn lives(machine: &Machine, heading: &str, ask: &str, answer: &str, reloads: bool) {
    let php = match machine.suite() {
        Suite::Bookworm => "php-fpm8.2",
        Suite::Trixie => "php-fpm8.4",
    };
    drop_in(
        machine,
        "user001",
        &block(heading, "ini").replace("php-fpm8.2", php),
    );
    let start = machine.run(&["systemctl", "start", UNIT]);
    assert!(start.succeeded(), "{heading}: {}", machine.journal(UNIT));
    let asked = || machine.must_sh(ask);
    assert!(asked().contains(answer), "{}", machine.state());
    if reloads {
        machine.must(&["systemctl", "reload", UNIT]);
        assert!(asked().contains(answer), "{}", machine.state());
    }
    machine.wait_for_unit(UNIT, "NRestarts", "0", LIMIT);
    assert!(machine.kill(machine.pid_of(UNIT, "fuse-zip"), Signal::SIGKILL));
    machine.wait_for_unit(UNIT, "NRestarts", "1", LIMIT);
    machine.wait_for_unit(UNIT, "ActiveState", "active", LIMIT);
    assert!(asked().contains(answer), "{}", machine.state());
    machine.must(&["systemctl", "stop", UNIT]);
    assert_eq!(
        machine.unit(UNIT, "Result"),
        "success",
        "{}",
        machine.journal(UNIT)
    );
}

#[test]
fn gunicorn_node_and_php_fpm_live_as_the_guide_says() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let page = "curl -s --retry 5 --retry-connrefused localhost:8000";
        lives(&machine, "gunicorn", page, "gunicorn", true);
        lives(&machine, "node", page, "node", false);
        let pool = block("PHP-FPM", "conf");
        machine.write("/etc/vassal/user001-fpm.conf", pool, 0o644, Owner::ROOT);
        machine.write("/root/ask.py", FASTCGI, 0o644, Owner::ROOT);
        lives(&machine, "PHP-FPM", "python3 /root/ask.py", "php", true);
        let journal = machine.journal(UNIT);
        assert!(journal.contains("fpm is running"), "{journal}");
    });
}
