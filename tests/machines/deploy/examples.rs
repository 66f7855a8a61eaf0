//! The examples of this repository: each is started from its archive, answers, is reloaded under load, and survives its archive's
//! daemon.

use std::path::{Path, PathBuf};
use std::time::Duration;

use vassal_tests::{Machine, Owner, Signal, Suite};

use crate::LIMIT;
use crate::client::{Client, Server, ask, ask_while};
use crate::scene::on_each_suite;

/// How often each is reloaded under load.
const RELOADS: usize = 5;

/// An example: its name, its port, and what it answers.
struct Example(&'static str, u16, &'static str);

const EXAMPLES: &[Example] = &[
    // Through nginx, which asks at the unix socket.
    Example("flask", 8000, "hello from flask\n"),
    Example("asgi", 8001, "hello from asgi\n"),
    Example("node", 8002, "hello from node\n"),
    Example("static", 8003, "hello from static\n"),
];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// Copies the files of `from` into the directory `to` of the machine.
fn copy(machine: &Machine, from: &Path, to: &str) {
    machine.make_dir(to, 0o755, Owner::ROOT);
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = format!("{to}/{}", path.file_name().unwrap().to_str().unwrap());
        match path.is_dir() {
            true => copy(machine, &path, &to),
            false => machine.write(&to, std::fs::read(&path).unwrap(), 0o644, Owner::ROOT),
        }
    }
}

/// Puts an example where its README says, and starts it.
fn start(machine: &Machine, name: &str) {
    let from = directory().join(name);
    copy(machine, &from.join("app"), &format!("/srv/source/{name}"));
    machine.must_sh(&format!(
        "mkdir -p /srv/zip /srv/{name} && chown user001 /srv/{name} && cd /srv/source/{name} && zip -qr /srv/zip/{name}.zip ."
    ));
    let file = std::fs::read(from.join(format!("{name}.ini"))).unwrap();
    machine.write(format!("/etc/uwsgi/vassals/{name}.ini"), file, 0o644, Owner::ROOT);
    if let Ok(front) = std::fs::read(from.join("nginx.conf")) {
        machine.write(
            format!("/etc/nginx/conf.d/{name}.conf"),
            front,
            0o644,
            Owner::ROOT,
        );
        machine.must(&["rm", "-f", "/etc/nginx/sites-enabled/default"]);
        machine.must(&["systemctl", "start", "nginx"]);
    }
    machine.must(&["systemctl", "daemon-reload"]);
    machine.must(&["systemctl", "start", &unit(name)]);
}

fn unit(name: &str) -> String {
    format!("vassal@{name}.service")
}

fn works(machine: &Machine, suite: Suite, example: &Example) {
    let Example(name, port, body) = example;
    let unit = unit(name);
    let client = Client {
        server: Server::Port(*port),
        path: "/",
        body,
    };
    start(machine, name);
    let answered = || ask(machine, &client).map_err(|(kind, seen)| format!("{kind:?} {seen}"));
    machine.wait_for(name, LIMIT, answered);
    let main = machine.unit(&unit, "MainPID");
    let tally = ask_while(machine, &[client.clone(), client.clone()], |round| {
        for number in 1..=RELOADS {
            round.begin(number);
            machine.must(&["systemctl", "reload", &unit]);
        }
    });
    println!("{suite}: {name}: {RELOADS} reloads: {tally}");
    assert!(
        tally.failed.is_empty(),
        "{name}: {tally}\n{}",
        machine.journal(&unit)
    );
    assert_eq!(machine.unit(&unit, "MainPID"), main, "{name}");
    machine.must(&["journalctl", "--sync"]);
    let journal = machine.journal(&unit);
    assert!(!journal.contains("reload in place"), "{name}: {journal}");
    // Longer than a second: its next failure is no failure to start.
    std::thread::sleep(Duration::from_millis(1100));
    let daemon = machine.pid_of(&unit, "fuse-zip");
    let tally = ask_while(machine, std::slice::from_ref(&client), |_| {
        assert!(machine.kill(daemon, Signal::SIGKILL));
        machine.wait_for_unit(&unit, "NRestarts", "1", LIMIT);
        machine.wait_for_unit(&unit, "ActiveState", "active", LIMIT);
        machine.wait_for(name, LIMIT, answered);
    });
    println!("{suite}: {name}: its daemon killed: {tally}");
    assert!(tally.failed.len() <= 1, "{name}: {tally}");
    let journal = machine.wait_for_journal(&unit, "dead (ENOTCONN)", LIMIT);
    assert!(!journal.contains(" sick "), "{name}: {journal}");
    machine.must(&["systemctl", "stop", &unit]);
    assert_eq!(machine.unit(&unit, "Result"), "success", "{name}");
}

#[test]
fn each_example_answers_is_reloaded_under_load_and_survives_its_archives_daemon() {
    on_each_suite(|suite| {
        let machine = crate::scene::machine(suite, "");
        for example in EXAMPLES {
            works(&machine, suite, example);
        }
    });
}
