//! Vassals that the first connection starts: who connects is answered, who stays away costs nothing, and the files say who that is.

use vassal_tests::{Machine, Owner, Signal, on_each_suite};

use crate::scene::{
    LIMIT, VASSALS, invocation, left, let_it_look, machine, path, put, unit, wait_gone, wait_on, wait_status,
    wait_version,
};

const EMPEROR_FILE: &str = "/etc/vassal/emperor.ini";
/// Where the vassal of these tests is waited for.
pub const PORT: u16 = 7001;
/// How long the app of these tests is idle before it wants to be stopped, in seconds.
const IDLE: u32 = 1;

/// A machine whose vassals are started by connections to the addresses in the files beside theirs.
pub fn machine_on_demand(suite: vassal_tests::Suite) -> Machine {
    let machine = machine(suite);
    let emperor = machine.read_text(EMPEROR_FILE);
    let text = format!("{emperor}emperor-on-demand-extension = .socket\n");
    machine.write(EMPEROR_FILE, text, 0o644, Owner::ROOT);
    machine
}

/// An app that the inherited socket is served by.
fn app(version: &str, more: &str) -> String {
    format!(
        "[uwsgi]\nplugin = psgi\nmaster = true\nprotocol = http\npsgi = /srv/app/app.pl\nuid = www-data\ngid = www-data\n\
         env = VERSION={version}\n{more}"
    )
}

fn socket(name: &str) -> String {
    format!("vassal@{name}.socket")
}

/// Puts the address there first, so that the vassal is never one without it.
pub fn put_on_demand(machine: &Machine, name: &str, address: &str, text: &str) {
    machine.write(
        format!("{VASSALS}/{name}.ini.socket"),
        format!("{address}\n"),
        0o644,
        Owner::ROOT,
    );
    put(machine, name, text);
    machine.wait_for_unit(&socket(name), "ActiveState", "active", LIMIT);
}

fn wait_off(machine: &Machine, name: &str) {
    machine.wait_for_unit(&unit(name), "ActiveState", "inactive", LIMIT);
}

#[test]
fn the_first_connection_starts_the_vassal_and_is_answered_and_so_is_the_next_after_it_was_idle() {
    on_each_suite(|suite| {
        let machine = machine_on_demand(suite);
        let idle = format!("idle = {IDLE}\ndie-on-idle = true\n");
        put_on_demand(&machine, "a", &format!("127.0.0.1:{PORT}"), &app("1", &idle));
        assert_eq!(machine.unit(&unit("a"), "ActiveState"), "inactive", "{suite}");
        for command in [["vassalctl", "list"], ["vassalctl", "status"]] {
            let mut command = command.to_vec();
            command.extend((command[1] == "status").then_some("a"));
            let shown = machine.must(&command);
            assert!(
                shown.contains("waiting for its first connection"),
                "{suite}: {shown}"
            );
        }
        let mut before = String::new();
        for round in 0..3 {
            let answer = machine.http(PORT, "/").unwrap();
            assert_eq!(answer, (200, b"1".to_vec()), "{suite}: {round}");
            let now = invocation(&machine, "a");
            assert_ne!(now, before, "{suite}: {round}");
            before = now;
            wait_off(&machine, "a");
            assert_eq!(machine.unit(&unit("a"), "Result"), "success", "{suite}");
            assert_eq!(machine.unit(&socket("a"), "ActiveState"), "active", "{suite}");
        }
        // A daemon-reload changes nothing of that.
        machine.must(&["systemctl", "daemon-reload"]);
        assert_eq!(machine.unit(&unit("a"), "ActiveState"), "inactive", "{suite}");
        match machine.http(PORT, "/") {
            Ok(answer) => assert_eq!(answer, (200, b"1".to_vec()), "{suite}"),
            Err(error) => panic!("{suite}: {error}\n{}", machine.state()),
        }
    });
}

#[test]
fn a_start_of_the_target_starts_sockets_and_a_stop_closes_them() {
    on_each_suite(|suite| {
        let machine = machine_on_demand(suite);
        put_on_demand(&machine, "a", &format!("127.0.0.1:{PORT}"), &app("1", ""));
        machine.must(&["systemctl", "stop", "vassals.target"]);
        machine.wait_for_unit(&socket("a"), "ActiveState", "inactive", LIMIT);
        assert!(machine.http(PORT, "/").is_err(), "{suite}");
        machine.must(&["systemctl", "start", "vassals.target"]);
        machine.wait_for_unit(&socket("a"), "ActiveState", "active", LIMIT);
        assert_eq!(machine.unit(&unit("a"), "ActiveState"), "inactive", "{suite}");
        assert_eq!(machine.http(PORT, "/").unwrap().0, 200, "{suite}");
        machine.must(&["vassalctl", "stop", "a"]);
        assert!(machine.http(PORT, "/").is_err(), "{suite}");
        machine.must(&["vassalctl", "start", "a"]);
        assert_eq!(machine.http(PORT, "/").unwrap().0, 200, "{suite}");
    });
}

#[test]
fn a_change_is_read_at_the_next_connection_or_reloads_what_runs_and_another_address_moves_the_socket() {
    on_each_suite(|suite| {
        let machine = machine_on_demand(suite);
        put_on_demand(&machine, "a", &format!(":{PORT}"), &app("1", ""));
        put(&machine, "a", &app("2", ""));
        let_it_look(&machine);
        assert_eq!(machine.unit(&unit("a"), "ActiveState"), "inactive", "{suite}");
        assert_eq!(machine.http(PORT, "/").unwrap(), (200, b"2".to_vec()), "{suite}");
        let before = invocation(&machine, "a");
        put(&machine, "a", &app("3", ""));
        wait_version(&machine, PORT, "3");
        assert_eq!(invocation(&machine, "a"), before, "{suite}: a reload");
        machine.write(
            format!("{VASSALS}/a.ini.socket"),
            "127.0.0.1:7002\n",
            0o644,
            Owner::ROOT,
        );
        wait_version(&machine, 7002, "3");
        assert!(machine.http(PORT, "/").is_err(), "{suite}");
        // It becomes one that always runs.
        machine.must(&["rm", &format!("{VASSALS}/a.ini.socket")]);
        put(&machine, "a", &app("4", "http-socket = :7003\n"));
        wait_version(&machine, 7003, "4");
        assert_eq!(machine.unit(&socket("a"), "ActiveState"), "inactive", "{suite}");
        // And back again, with its own line for the address.
        machine.write(
            format!("{VASSALS}/a.ini.socket"),
            "0.0.0.0:7003\n",
            0o644,
            Owner::ROOT,
        );
        machine.wait_for_unit(&socket("a"), "ActiveState", "active", LIMIT);
        wait_version(&machine, 7003, "4");
        machine.must_sh(&format!("rm {} {VASSALS}/a.ini.socket", path("a")));
        wait_gone(&machine, "a");
        machine.wait_for("the end of the socket", LIMIT, || {
            let left = machine.sh("systemctl list-units --all --no-legend --plain 'vassal@a.socket'; ls -d /run/systemd/generator/vassal@a.socket.d 2>/dev/null").stdout;
            if left.is_empty() { Ok(()) } else { Err(left) }
        });
        assert_eq!(left(&machine, "a"), "", "{suite}");
    });
}

#[test]
fn a_vassal_that_cannot_start_pauses_with_its_socket_open_and_is_started_when_it_is_mended() {
    on_each_suite(|suite| {
        let machine = machine_on_demand(suite);
        let broken = app("1", "").replace("uid = www-data", "uid = nobody-of-that-name");
        put_on_demand(&machine, "a", &format!("127.0.0.1:{PORT}"), &broken);
        let client = std::thread::scope(|scope| {
            let client =
                scope.spawn(|| machine.sh(&format!("curl --silent --max-time 25 127.0.0.1:{PORT}/")));
            machine.wait_for("a pause", LIMIT, || {
                let status = machine.unit(&unit("a"), "StatusText");
                if status.starts_with("waiting") {
                    Ok(())
                } else {
                    Err(status)
                }
            });
            assert_eq!(machine.unit(&socket("a"), "ActiveState"), "active", "{suite}");
            let starts = machine.journal(&unit("a")).matches("Starting ").count();
            assert!(starts < 10, "{suite}: {starts} starts");
            put(&machine, "a", &app("1", ""));
            client.join().unwrap()
        });
        assert_eq!(client.stdout, "1", "{suite}: {client}");
    });
}

#[test]
fn an_address_that_is_none_stops_nothing_and_one_that_is_taken_is_told() {
    on_each_suite(|suite| {
        let machine = machine_on_demand(suite);
        put_on_demand(&machine, "a", &format!("127.0.0.1:{PORT}"), &app("1", ""));
        assert_eq!(machine.http(PORT, "/").unwrap().0, 200, "{suite}");
        machine.write(format!("{VASSALS}/a.ini.socket"), "nowhere\n", 0o644, Owner::ROOT);
        machine.wait_for_journal("vassal-emperor.service", "a.ini.socket:1", LIMIT);
        assert_eq!(machine.http(PORT, "/").unwrap(), (200, b"1".to_vec()), "{suite}");
        machine.write(
            format!("{VASSALS}/b.ini.socket"),
            format!("127.0.0.1:{PORT}\n"),
            0o644,
            Owner::ROOT,
        );
        put(&machine, "b", &app("1", ""));
        wait_status(&machine, "vassal@b.socket");
        // A tenant's file decides nothing.
        machine.write(
            format!("{VASSALS}/c.ini.socket"),
            "127.0.0.1:80\n",
            0o644,
            Owner::ROOT,
        );
        machine.must(&["chown", "www-data", &format!("{VASSALS}/c.ini.socket")]);
        put(&machine, "c", &app("1", ""));
        machine.wait_for_journal("vassal-emperor.service", "c.ini.socket", LIMIT);
        assert!(machine.http(80, "/").is_err(), "{suite}");
    });
}

#[test]
fn a_unix_socket_of_the_directory_is_open_to_all_and_kept_over_a_crash() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let emperor = machine.read_text(EMPEROR_FILE);
        let text = format!("{emperor}emperor-on-demand-directory = /run/od\n");
        machine.write(EMPEROR_FILE, text, 0o644, Owner::ROOT);
        put(&machine, "a", &app("1", ""));
        machine.wait_for_unit(&socket("a"), "ActiveState", "active", LIMIT);
        assert_eq!(
            machine.must(&["stat", "--format=%a", "/run/od/a.socket"]),
            "666",
            "{suite}"
        );
        let get = "curl --silent --max-time 20 --unix-socket /run/od/a.socket http://x/";
        assert_eq!(machine.must_sh(get), "1", "{suite}");
        wait_on(&machine, "a");
        for pid in machine.pids_of(&unit("a"), "uwsgi") {
            machine.kill(pid, Signal::SIGKILL);
        }
        assert_eq!(machine.must_sh(get), "1", "{suite}");
        machine.must(&["rm", &path("a")]);
        wait_gone(&machine, "a");
        assert!(!machine.sh("ls /run/od/a.socket").succeeded(), "{suite}");
    });
}

#[test]
fn a_command_says_who_is_on_demand_and_where_and_is_asked_again_after_a_boot_and_a_change() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let where_ = "#!/bin/sh\necho \"$PWD $1\" >>/run/asked\ncase $1 in a*) cat /srv/address;; esac\n";
        machine.write("/srv/where", where_, 0o755, Owner::ROOT);
        machine.write("/srv/address", "127.0.0.1:7001\nmore\n", 0o644, Owner::ROOT);
        let emperor = machine.read_text(EMPEROR_FILE);
        let text = format!("{emperor}emperor-on-demand-exec = /srv/where\n");
        machine.write(EMPEROR_FILE, text, 0o644, Owner::ROOT);
        put(&machine, "a", &app("1", ""));
        put(&machine, "b", &app("1", "http-socket = :7002\n"));
        machine.wait_for_unit(&socket("a"), "ActiveState", "active", LIMIT);
        wait_version(&machine, 7002, "1");
        assert_eq!(machine.http(PORT, "/").unwrap(), (200, b"1".to_vec()), "{suite}");
        let asked = machine.read_text("/run/asked");
        assert!(asked.contains(&format!("{VASSALS} a.ini\n")), "{suite}: {asked}");
        machine.must(&["systemctl", "daemon-reload"]);
        assert_eq!(machine.unit(&socket("a"), "ActiveState"), "active", "{suite}");
        machine.write("/srv/address", "127.0.0.1:7003\n", 0o644, Owner::ROOT);
        put(&machine, "a", &app("2", ""));
        wait_version(&machine, 7003, "2");
        assert!(machine.http(PORT, "/").is_err(), "{suite}");
        // As after a boot: nothing was asked.
        machine.must_sh("systemctl stop vassals.target; rm -r /run/vassal; systemctl daemon-reload; systemctl start vassals.target");
        wait_version(&machine, 7003, "2");
        wait_version(&machine, 7002, "1");
        let failed = machine.must(&[
            "systemctl",
            "list-units",
            "--failed",
            "--no-legend",
            "--plain",
            "vassal*",
        ]);
        assert_eq!(failed, "", "{suite}");
    });
}

/// Serves while somebody comes, and ends after a moment of nobody.
pub const SHORT_LIVED: &str = include_str!("../fixtures/short-lived.pl");
/// Connects again and again, at moments that have nothing to do with the app's ends.
const CLIENT: &str = include_str!("../fixtures/client.pl");

#[test]
fn no_connection_is_lost_between_one_end_of_the_app_and_its_next_start() {
    const TIMES: usize = 100;
    on_each_suite(|suite| {
        let machine = machine_on_demand(suite);
        machine.write("/srv/app/short", SHORT_LIVED, 0o755, Owner::ROOT);
        machine.write("/root/client.pl", CLIENT, 0o644, Owner::ROOT);
        let text = "[uwsgi]\nuid = www-data\ngid = www-data\n[vassal]\ncommand = exec /srv/app/short\nready = started\n";
        put_on_demand(&machine, "short", &format!("127.0.0.1:{PORT}"), text);
        let good = machine.must(&["perl", "/root/client.pl", &TIMES.to_string(), &PORT.to_string()]);
        assert_eq!(good, TIMES.to_string(), "{suite}");
        machine.must(&["journalctl", "--sync"]);
        let starts = machine.journal(&unit("short")).matches("Starting ").count();
        println!("{suite}: {TIMES} connections, {starts} starts");
        assert!(starts > TIMES / 4, "{suite}: {starts}");
        assert_eq!(machine.unit(&socket("short"), "ActiveState"), "active", "{suite}");
    });
}
