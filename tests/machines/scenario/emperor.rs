//! The Emperor's file: what the package ships, what vassals are cloned into, where they are.

use vassal_tests::{Machine, Owner, Signal, Suite, fixtures, installed, seed};

use crate::LIMIT;
use crate::vassals::{UNIT, assert_refused, drop_in, fails_to_start, get, machine, namespace, uwsgi};

const FILE: &str = "/etc/vassal/emperor.ini";

/// The namespaces that `emperor-use-clone` can name, with the kernel's names.
const KINDS: [(&str, &str); 5] = [
    ("fs", "mnt"),
    ("pid", "pid"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("net", "net"),
];

#[test]
fn the_package_ships_the_scenarios_own_lines_as_a_conffile() {
    for suite in Suite::all() {
        let machine = Machine::boot(suite, &[installed(suite)]);
        let conffiles = machine.must(&["dpkg-query", "--show", "--showformat=${Conffiles}", "vassal"]);
        assert!(
            conffiles
                .lines()
                .any(|line| line.trim_start().starts_with(&format!("{FILE} "))),
            "{conffiles}"
        );
        let text = machine.read_text(FILE);
        let said: String = text
            .lines()
            .filter(|line| !line.starts_with(';'))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(said, seed::EMPEROR);
        assert_eq!(
            machine.must(&["stat", "--format=%F %U", "/etc/uwsgi/vassals"]),
            "directory root"
        );
    }
}

#[test]
fn what_is_named_is_unshared_and_nothing_else() {
    const LISTS: [&str; 6] = [
        "fs,pid",
        "fs",
        "fs,ipc",
        "fs,pid,uts",
        "fs,pid,net",
        "fs,pid,ipc,uts,net",
    ];
    for suite in Suite::all() {
        let machine = machine(suite);
        drop_in(&machine, "user001", seed::ZIP);
        for list in LISTS {
            machine.write(FILE, seed::EMPEROR.replace("fs,pid", list), 0o644, Owner::ROOT);
            machine.must(&["systemctl", "restart", UNIT]);
            let app = uwsgi(&machine, UNIT);
            for (word, kind) in KINDS {
                let is_own = namespace(app, kind) != namespace(machine.leader(), kind);
                assert_eq!(
                    is_own,
                    list.split(',').any(|named| named == word),
                    "{suite}: {list}: {word}"
                );
            }
            assert_eq!(namespace(app, "user"), namespace(machine.leader(), "user"));
            // A network of its own has nothing in it but a loopback that is down, and the app's socket.
            let ask = "if ip link show lo | grep -q DOWN; then ip link set lo up; fi; curl --silent http://127.0.0.1:9090/live";
            let answer = machine.run_inside(app, &["sh", "-c", ask]);
            assert_eq!(answer.stdout, "app001\n", "{list}: {answer}");
            assert_eq!(
                machine.http(9090, "/live").is_ok(),
                !list.contains("net"),
                "{list}"
            );
            machine.must(&["systemctl", "stop", UNIT]);
            assert_eq!(machine.pids("fuse-zip"), [], "{list}");
        }
    }
}

#[test]
fn a_user_namespace_is_refused_with_a_clear_line() {
    for suite in Suite::all() {
        let machine = machine(suite);
        drop_in(&machine, "user001", seed::ZIP);
        machine.write(
            FILE,
            seed::EMPEROR.replace("fs,pid", "fs,pid,user"),
            0o644,
            Owner::ROOT,
        );
        let status = fails_to_start(&machine, UNIT);
        let told = "emperor.ini:3: emperor-use-clone: a vassal in a user namespace is not supported";
        assert!(status.stdout.contains(told), "{status}");
        assert_refused(&machine, UNIT);
    }
}

/// The vassals that are started at boot.
fn wanted_vassals(machine: &Machine) -> Vec<String> {
    let wanted = machine.unit("vassals.target", "Wants");
    let mut vassals: Vec<String> = wanted.split(' ').map(str::to_owned).collect();
    vassals.retain(|unit| unit.starts_with("vassal@"));
    vassals.sort();
    vassals
}

/// Puts a vassal without mounts into a directory; its app says the directory's name.
fn write_vassal(machine: &Machine, directory: &str, name: &str, port: u16) {
    let app = format!("/srv/{directory}/{name}.pl");
    machine.write(&app, fixtures::psgi_app(directory), 0o644, Owner::ROOT);
    let text = format!(
        "[uwsgi]\nplugin = psgi\nuid = user001\ngid = user001\nhttp-socket = :{port}\npsgi = {app}\n"
    );
    machine.write(format!("/srv/{directory}/{name}.ini"), text, 0o644, Owner::ROOT);
}

#[test]
fn several_directories_are_read_in_order() {
    for suite in Suite::all() {
        let machine = Machine::boot(suite, &[installed(suite)]);
        let emperor = "[uwsgi]\nemperor = /srv/one\nemperor = /srv/two\nemperor-use-clone = fs,pid\n";
        machine.write(FILE, emperor, 0o644, Owner::ROOT);
        write_vassal(&machine, "one", "alone", 9091);
        write_vassal(&machine, "two", "other", 9092);
        write_vassal(&machine, "one", "both", 9093);
        write_vassal(&machine, "two", "both", 9094);
        machine.must(&["systemctl", "daemon-reload"]);
        machine.must(&[
            "systemctl",
            "start",
            "vassal@alone",
            "vassal@other",
            "vassal@both",
        ]);
        for (port, place) in [(9091, "one"), (9092, "two"), (9093, "one")] {
            let hello = get(&machine, port, "/");
            assert!(
                hello.starts_with(&format!("hello from {place} ")),
                "{port}: {hello}"
            );
        }
        assert!(
            machine.http(9094, "/").is_err(),
            "the first directory's file wins"
        );
        let wanted = wanted_vassals(&machine);
        assert_eq!(
            wanted,
            [
                "vassal@alone.service",
                "vassal@both.service",
                "vassal@other.service"
            ]
        );
    }
}

#[test]
fn a_lost_mountpoint_is_seen_in_every_set_of_namespaces() {
    for suite in Suite::all() {
        let machine = machine(suite);
        drop_in(&machine, "user001", seed::ZIP_WATCHED);
        for (list, signal) in [
            ("fs", Signal::SIGKILL),
            ("fs", Signal::SIGSTOP),
            ("fs,net", Signal::SIGKILL),
            ("fs,pid,ipc,uts,net", Signal::SIGKILL),
        ] {
            machine.write(FILE, seed::EMPEROR.replace("fs,pid", list), 0o644, Owner::ROOT);
            machine.must(&["systemctl", "start", UNIT]);
            let old = machine.pid_of(UNIT, "fuse-zip");
            assert!(machine.kill(old, signal));
            machine.wait_for_unit(UNIT, "NRestarts", "1", LIMIT);
            machine.wait_for_unit(UNIT, "ActiveState", "active", LIMIT);
            let new = machine.pid_of(UNIT, "fuse-zip");
            assert_ne!(old, new, "{list}");
            assert_eq!(machine.pids("fuse-zip"), [new], "{list}");
            assert_eq!(machine.fuse_connections().len(), 1, "{list}");
            machine.must(&["systemctl", "stop", UNIT]);
        }
    }
}
