//! Unix sockets: bound as uWSGI binds them, and kept over restarts as long as their path leads to them.

use vassal_tests::{Machine, Owner, Signal, Suite, seed};

use crate::LIMIT;
use crate::vassals::{UNIT, drop_in, fails_to_start, machine, wait_restarted};

const PATH: &str = "/srv/sockets/app.sock";

/// Asks through the socket; the answer.
fn ask(machine: &Machine) -> String {
    let script = format!(
        "import socket; s = socket.socket(socket.AF_UNIX); s.settimeout(10); s.connect('{PATH}'); \
         s.sendall(b'GET /live HTTP/1.0\\r\\n\\r\\n'); print(b''.join(iter(lambda: s.recv(4096), b'')).decode())"
    );
    machine.must(&["python3", "-c", &script])
}

fn stat(machine: &Machine, format: &str) -> String {
    machine.must(&["stat", &format!("--format={format}"), PATH])
}

/// A vassal on the socket, beside its port, with these lines.
fn serving_on(suite: Suite, lines: &str) -> Machine {
    let machine = machine(suite);
    machine.make_dir("/srv/sockets", 0o755, Owner::USER001);
    let text = format!("{}http-socket = {PATH}\n{lines}", seed::ZIP_WATCHED);
    drop_in(&machine, "user001", &text);
    machine.must(&["systemctl", "start", UNIT]);
    machine.poll_http(9090, "/", LIMIT);
    machine
}

#[test]
fn a_socket_is_the_users_and_open_over_restarts() {
    for suite in Suite::all() {
        let machine = serving_on(suite, "chmod-socket = 660\n");
        assert!(ask(&machine).contains("app001"));
        assert_eq!(stat(&machine, "%a %U"), "660 user001");
        let inode = stat(&machine, "%i");
        assert!(machine.kill(machine.pid_of(UNIT, "fuse-zip"), Signal::SIGKILL));
        // It waits in the socket's queue.
        assert!(ask(&machine).contains("app001"));
        wait_restarted(&machine, UNIT, 9090, 1);
        machine.must(&["systemctl", "restart", UNIT]);
        assert!(ask(&machine).contains("app001"));
        assert_eq!(stat(&machine, "%i"), inode);
        machine.must(&["systemctl", "stop", UNIT]);
        let refused = machine.run(&[
            "python3",
            "-c",
            &format!("import socket; socket.socket(1).connect('{PATH}')"),
        ]);
        assert!(refused.stderr.contains("Connection refused"), "{refused}");
    }
}

#[test]
fn a_path_that_leads_elsewhere_is_bound_anew() {
    for suite in Suite::all() {
        let machine = serving_on(suite, "");
        for _ in 0..2 {
            machine.must(&["rm", PATH]);
            machine.must(&["systemctl", "restart", UNIT]);
            assert!(ask(&machine).contains("app001"));
            let kept = machine.must(&["ss", "-Hlx", "src", PATH]);
            assert_eq!(kept.lines().count(), 1, "{kept}");
        }
        assert_eq!(stat(&machine, "%a"), "755");
        machine.must_sh(&format!("rm {PATH}; echo precious > {PATH}"));
        assert!(!machine.run(&["systemctl", "restart", UNIT]).succeeded());
        machine.wait_for_journal(UNIT, "user001.ini:12: cannot listen on", LIMIT);
        assert_eq!(machine.must(&["cat", PATH]), "precious");
    }
}

#[test]
fn chown_socket_gives_it_to_whom_the_user_could_not() {
    for suite in Suite::all() {
        let machine = machine(suite);
        let lines = format!("http-socket = {PATH}\nchown-socket = user002:www-data\nchmod-socket = 640\n");
        drop_in(&machine, "user001", &format!("{}{lines}", seed::ZIP_WATCHED));
        // The second directory is a tenant's.
        for owner in [Owner::ROOT, Owner::USER001] {
            machine.must(&["rm", "-rf", "/srv/sockets"]);
            machine.make_dir("/srv/sockets", 0o755, owner);
            machine.must(&["systemctl", "start", UNIT]);
            assert!(ask(&machine).contains("app001"));
            assert_eq!(stat(&machine, "%a %U %G"), "640 user002 www-data");
            let inode = stat(&machine, "%i");
            machine.must(&["systemctl", "restart", UNIT]);
            assert!(ask(&machine).contains("app001"));
            assert_eq!(stat(&machine, "%i"), inode);
            machine.must(&["systemctl", "stop", UNIT]);
        }
    }
}

#[test]
fn no_link_of_a_tenants_makes_root_give_another_socket_away() {
    for suite in Suite::all() {
        let machine = machine(suite);
        machine.make_dir("/srv/sockets", 0o755, Owner::USER001);
        machine.must(&["ln", "-s", "/run/systemd/private", PATH]);
        let before = machine.must(&["stat", "--format=%a %U %G", "/run/systemd/private"]);
        let lines = format!("http-socket = {PATH}\nchown-socket = user001\nchmod-socket = 666\n");
        drop_in(&machine, "user001", &format!("{}{lines}", seed::ZIP_WATCHED));
        fails_to_start(&machine, UNIT);
        machine.wait_for_journal(UNIT, "a file that is no socket is in the way", LIMIT);
        let after = machine.must(&["stat", "--format=%a %U %G", "/run/systemd/private"]);
        assert_eq!(after, before);
    }
}
