//! Unix sockets: their clients undisturbed by restarts, and a stop that ends access. Their files are in [`crate::unix_files`].

use std::path::{Path, PathBuf};

use vassal_tests::{Boot, Machine, Owner, Pid, Suite, installed, seed};

use crate::LIMIT;
use crate::kills::{assert_only_answers_inside_the_app, kill_while_asking};
use crate::restarts::assert_graceful;
use crate::setup::client::{Client, Kind, Server, ask, ask_while};
use crate::setup::scene::{
    UNIT, drop_in, kill, let_it_prove_itself, machine, on_each_suite, uwsgi, wait_restarted,
};

/// The socket of most tests.
pub const PATH: &str = "/srv/sockets/app.sock";

/// A machine with a directory of the tenant's for sockets, and one of root's.
pub fn with_directories(suite: Suite) -> Machine {
    let machine = machine(suite);
    machine.make_dir("/srv/sockets", 0o755, Owner::USER001);
    machine.make_dir("/srv/roots", 0o755, Owner::ROOT);
    machine
}

/// The first vassal with a unix socket, and with these lines.
pub fn text(lines: &str) -> String {
    format!("{}http-socket = {PATH}\n{lines}", seed::ZIP_WATCHED)
}

/// A machine whose vassal serves on the socket, with these lines.
pub fn serving(suite: Suite, lines: &str) -> Machine {
    let machine = with_directories(suite);
    start(&machine, &text(lines));
    machine
}

/// Starts the first vassal with that file.
pub fn start(machine: &Machine, text: &str) {
    drop_in(machine, text);
    machine.must(&["systemctl", "start", UNIT]);
    machine.poll_http(9090, "/", LIMIT);
}

/// A file of the machine, as a process of it sees it, by a path of the host.
fn seen_by(pid: Pid, path: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/root{path}"))
}

/// A client of the socket.
pub fn client(machine: &Machine) -> Client {
    Client {
        server: Server::Path(seen_by(machine.leader(), PATH)),
        ..Client::LIVE
    }
}

fn assert_answers(machine: &Machine) {
    if let Err((kind, seen)) = ask(machine, &client(machine)) {
        panic!("{kind:?}: {seen}\n{}", machine.state());
    }
}

#[test]
fn who_may_connect_is_what_the_files_mode_and_group_say() {
    on_each_suite(|suite| {
        let machine = serving(suite, "chown-socket = user001:user002\nchmod-socket = 660\n");
        let asks = |user: &str| {
            let curl = format!("curl --silent --max-time 10 --unix-socket {PATH} http://app/live");
            machine.run(&[
                "setpriv",
                "--reuid",
                user,
                "--regid",
                user,
                "--clear-groups",
                "sh",
                "-c",
                &curl,
            ])
        };
        for user in ["user001", "user002"] {
            assert_eq!(asks(user).stdout, "app001\n", "{user}: {}", asks(user));
        }
        assert!(!asks("user003").succeeded());
    });
}

#[test]
fn a_stop_ends_access_and_a_start_gives_it_again() {
    on_each_suite(|suite| {
        for lines in ["", "vacuum = true\n"] {
            let machine = serving(suite, lines);
            assert_answers(&machine);
            machine.must(&["systemctl", "stop", UNIT]);
            let refused = ask(&machine, &client(&machine));
            assert!(matches!(refused, Err((Kind::Refused, _))), "{lines}: {refused:?}");
            assert_eq!(machine.must(&["ss", "-Hlx", "src", PATH]), "");
            machine.must(&["systemctl", "start", UNIT]);
            assert_answers(&machine);
        }
    });
}

#[test]
fn no_client_of_a_unix_socket_notices_restarts_and_kills() {
    const TIMES: usize = 6;
    for lines in ["", "chown-socket = user001:www-data\nchmod-socket = 666\n"] {
        on_each_suite(|suite| {
            let machine = serving(suite, lines);
            let restarting = ask_while(&machine, &[client(&machine)], |round| {
                for number in 1..=TIMES {
                    round.begin(number);
                    machine.must(&["systemctl", "restart", UNIT]);
                }
            });
            println!("{suite}: {TIMES} restarts: {restarting}");
            assert!(restarting.answered > TIMES, "{suite}: {restarting}");
            assert_graceful(&restarting);
            let killing = kill_while_asking(&machine, client(&machine), TIMES);
            println!("{suite}: {TIMES} kills: {killing}");
            assert_only_answers_inside_the_app(&killing);
        });
    }
}

#[test]
fn a_socket_whose_file_was_removed_or_replaced_is_bound_anew() {
    on_each_suite(|suite| {
        let machine = serving(suite, "");
        let replace = format!(
            "rm {PATH}; python3 -c 'import socket; socket.socket(1).bind(\"{PATH}\")'; chown user001 {PATH}"
        );
        for script in [format!("rm {PATH}"), replace] {
            machine.must_sh(&script);
            assert!(ask(&machine, &client(&machine)).is_err());
            machine.must(&["systemctl", "restart", UNIT]);
            assert_answers(&machine);
        }
    });
}

/// The seed's vassal in a union, with a socket in there, and what its own processes reach.
fn in_its_own_root(lines: &str) -> (Machine, impl Fn(&Machine) -> Result<(), (Kind, String)>) {
    let boot = Boot::of(Suite::Bookworm).layer(&installed(Suite::Bookworm));
    let machine = boot.copy_on_write().start().unwrap();
    machine.write(
        "/etc/uwsgi/vassals/user001.ini",
        format!(
            "{}http-socket = /home/user001/app.sock\n{lines}",
            seed::COPY_ON_WRITE
        ),
        0o644,
        Owner::ROOT,
    );
    machine.must(&["systemctl", "daemon-reload"]);
    machine.must(&["systemctl", "start", UNIT]);
    let inside = |machine: &Machine| {
        let socket = seen_by(uwsgi(machine), "/home/user001/app.sock");
        let client = Client {
            server: Server::Path(socket),
            path: "/uid",
            body: "uid 20001 euid 20001 gid 20001 20001 egid 20001 20001\n",
        };
        ask(machine, &client)
    };
    (machine, inside)
}

#[test]
fn a_socket_in_the_vassals_own_root_on_fuse_answers_there_before_and_after_restarts() {
    if !Suite::all().contains(&Suite::Bookworm) {
        return;
    }
    for lines in ["", "chmod-socket = 666\n"] {
        let (machine, ask) = in_its_own_root(lines);
        ask(&machine).unwrap_or_else(|seen| panic!("{seen:?}\n{}", machine.state()));
        assert!(!Path::new(&seen_by(machine.leader(), "/home/user001/app.sock")).exists());
        machine.must(&["systemctl", "restart", UNIT]);
        ask(&machine).unwrap_or_else(|seen| panic!("after a restart: {seen:?}\n{}", machine.state()));
        let_it_prove_itself();
        kill(&machine, machine.pid_of(UNIT, "unionfs-fuse"));
        wait_restarted(&machine, 1);
        ask(&machine).unwrap_or_else(|seen| panic!("after a kill: {seen:?}\n{}", machine.state()));
    }
}
