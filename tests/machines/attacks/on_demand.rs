//! Sockets of vassals on demand: systemd makes and removes them, as root and by their paths.

use std::time::Duration;

use vassal_tests::{AS_USER001, Boot, Machine, Owner, Suite, installed, on_each_suite};

const LIMIT: Duration = Duration::from_secs(30);
const SLEEPER: &str = "[uwsgi]\nuid = user001\ngid = user001\n[vassal]\ncommand = exec sleep infinity\n";

fn machine(suite: Suite) -> Machine {
    let machine = Boot::of(suite).layer(&installed(suite)).emperor().start();
    let machine = machine.unwrap_or_else(|failure| panic!("{suite}: {failure}"));
    let emperor = machine.read_text("/etc/vassal/emperor.ini");
    let text = format!("{emperor}emperor-on-demand-extension = .socket\n");
    machine.write("/etc/vassal/emperor.ini", text, 0o644, Owner::ROOT);
    machine.must_sh(
        "mkdir -p /srv/vault /srv/own/run /srv/roots; chmod 700 /srv/vault; chown -R user001: /srv/own",
    );
    machine
}

fn put(machine: &Machine, name: &str, address: &str) {
    let file = format!("/etc/uwsgi/vassals/{name}.ini");
    machine.write(
        format!("{file}.socket"),
        format!("{address}\n"),
        0o644,
        Owner::ROOT,
    );
    machine.write("/etc/uwsgi/new", SLEEPER, 0o644, Owner::ROOT);
    machine.must(&["mv", "/etc/uwsgi/new", &file]);
}

#[test]
fn no_link_of_a_tenants_has_systemd_make_or_remove_a_socket_elsewhere() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        // The tenant's directory leads to root's from the beginning.
        machine.must(
            &[
                &AS_USER001[..],
                &["sh", "-c", "rmdir /srv/own/run && ln -s /srv/vault /srv/own/run"],
            ]
            .concat(),
        );
        machine.must_sh("echo precious >/srv/vault/a.sock");
        put(&machine, "a", "/srv/own/run/a.sock");
        put(&machine, "roots", "/srv/roots/a.sock");
        machine.wait_for_unit("vassal@roots.socket", "ActiveState", "active", LIMIT);
        machine.wait_for_journal("vassal@a.socket", "/srv/own", LIMIT);
        machine.must(&["systemctl", "stop", "vassals.target"]);
        assert_eq!(machine.must_sh("cat /srv/vault/a.sock"), "precious", "{suite}");
        assert_eq!(machine.must(&["ls", "/srv/vault"]), "a.sock", "{suite}");
        assert!(!machine.sh("test -e /srv/roots/a.sock").succeeded(), "{suite}");
    });
}
