//! The files of unix sockets: as under uWSGI's own Emperor, which runs here, too.

use vassal_tests::{Machine, Owner};

use crate::LIMIT;
use crate::setup::scene::{UNIT, drop_in, on_each_suite};
use crate::unix_sockets::{PATH, start, text, with_directories};

/// Where the vassals of the real Emperor are.
const THEIRS: &str = "/etc/theirs";

fn stat(machine: &Machine, path: &str) -> String {
    let stat = machine.run(&["stat", "--format=%F %a %U:%G", path]);
    if stat.succeeded() {
        stat.stdout.trim_end().to_owned()
    } else {
        "none".into()
    }
}

/// Runs the file under uWSGI's own Emperor until it serves; what becomes of the socket's file.
fn theirs(machine: &Machine, text: &str, path: &str) -> String {
    machine.must_sh(&format!("rm -rf {THEIRS}; mkdir {THEIRS}"));
    machine.write(format!("{THEIRS}/user001.ini"), text, 0o644, Owner::ROOT);
    // Without propagation, or its mounts would leak (NS-2).
    let emperor = format!("exec unshare --mount uwsgi --emperor {THEIRS} --emperor-use-clone fs,pid");
    let unit = ["--unit=theirs", "--collect", "--property=KillSignal=KILL"];
    machine.must(&[&["systemd-run", "--quiet"], &unit[..], &["sh", "-c", &emperor]].concat());
    machine.poll_http(9090, "/", LIMIT);
    let file = stat(machine, path);
    machine.must(&["systemctl", "stop", "theirs"]);
    file
}

fn ours(machine: &Machine, text: &str, path: &str) -> String {
    start(machine, text);
    let file = stat(machine, path);
    machine.must(&["systemctl", "stop", UNIT]);
    file
}

/// What is there before, the lines, and what becomes of the file while the vassal serves.
const FILES: &[(&str, &str, &str)] = &[
    ("", "", "socket 755 user001:user001"),
    ("", "chmod-socket = 1\n", "socket 666 user001:user001"),
    ("", "chmod-socket = 660\n", "socket 660 user001:user001"),
    (
        "",
        "chmod-socket = 600\nchmod-socket = 640\n",
        "socket 640 user001:user001",
    ),
    ("", "umask = 077\n", "socket 700 user001:user001"),
    (
        "",
        "umask = 077\nchmod-socket = 664\n",
        "socket 664 user001:user001",
    ),
    (
        "",
        "chown-socket = user002:www-data\n",
        "socket 755 user002:www-data",
    ),
    (
        "",
        "chown-socket = user001:www-data\nchmod-socket = 660\n",
        "socket 660 user001:www-data",
    ),
    ("", "chown-socket = 20003:20002\n", "socket 755 user003:user002"),
    (
        "python3 -c 'import socket; socket.socket(1).bind(\"/srv/sockets/app.sock\")'",
        "",
        "socket 755 user001:user001",
    ),
    (
        "python3 -c 'import socket; socket.socket(1).bind(\"/srv/sockets/app.sock\")'; \
         chown user001 /srv/sockets/app.sock",
        "chmod-socket = 666\n",
        "socket 666 user001:user001",
    ),
];

#[test]
fn the_file_of_a_socket_is_as_under_uwsgis_own_emperor() {
    on_each_suite(|suite| {
        let machine = with_directories(suite);
        let mut wrong = Vec::new();
        for (before, lines, expected) in FILES {
            let text = text(lines);
            let prepare = format!("rm -f {PATH}; {before}");
            machine.must_sh(&prepare);
            let theirs = theirs(&machine, &text, PATH);
            machine.must_sh(&prepare);
            let ours = ours(&machine, &text, PATH);
            if ours != *expected || theirs != *expected {
                wrong.push(format!(
                    "{before} {lines:?}: expected {expected}, ours {ours}, theirs {theirs}"
                ));
            }
        }
        assert!(wrong.is_empty(), "{suite}:\n{}", wrong.join("\n"));
    });
}

#[test]
fn a_socket_in_a_directory_of_roots_is_bound_by_root_when_it_is_given_away() {
    on_each_suite(|suite| {
        let machine = with_directories(suite);
        let path = "/srv/roots/app.sock";
        let text = text("chown-socket = user001:www-data\nchmod-socket = 660\n").replace(PATH, path);
        let expected = "socket 660 user001:www-data";
        assert_eq!(theirs(&machine, &text, path), expected);
        machine.must(&["rm", "-f", path]);
        assert_eq!(ours(&machine, &text, path), expected);
    });
}

#[test]
fn a_socket_that_the_user_may_not_make_fails_the_start_with_its_line() {
    on_each_suite(|suite| {
        let machine = with_directories(suite);
        drop_in(&machine, &text("").replace(PATH, "/srv/roots/app.sock"));
        assert!(!machine.run(&["systemctl", "start", UNIT]).succeeded());
        let line = machine.wait_for_journal(UNIT, "user001.ini:12: ", LIMIT);
        assert!(
            line.contains("'/srv/roots/app.sock'") && line.contains("Permission denied"),
            "{line}"
        );
    });
}

#[test]
fn a_link_where_the_socket_should_be_gives_nobody_what_it_leads_to() {
    on_each_suite(|suite| {
        let machine = with_directories(suite);
        let target = "/run/systemd/notify";
        let before = stat(&machine, target);
        machine.must_sh(&format!("ln -s {target} {PATH}; chown -h user001 {PATH}"));
        for lines in [
            "chown-socket = user001:user001\nchmod-socket = 600\n",
            "chmod-socket = 600\n",
        ] {
            drop_in(&machine, &text(lines));
            assert!(
                !machine.run(&["systemctl", "start", UNIT]).succeeded(),
                "{}",
                machine.state()
            );
            machine.wait_for_journal(UNIT, "user001.ini:12: cannot listen on", LIMIT);
            machine.must(&["systemctl", "stop", UNIT]);
            assert_eq!(stat(&machine, target), before, "{lines}");
            assert_eq!(machine.must(&["readlink", PATH]), target, "{lines}");
        }
    });
}
