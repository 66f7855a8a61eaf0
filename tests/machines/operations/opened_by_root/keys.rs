//! Certificates and keys that only root can read.

use super::{boot, refused, serves, start, vassal};
use vassal_tests::{Machine, Owner, on_each_suite};

/// The subject of the first certificate is CN=one.example, of the second CN=two.example.
const PAIRS: [(&str, &str); 2] = [
    (include_str!("one.crt"), include_str!("one.key")),
    (include_str!("two.crt"), include_str!("two.key")),
];

/// Puts the pair where certbot puts them: behind links, in directories of root's alone.
fn install(machine: &Machine, pair: usize) {
    let (certificate, key) = PAIRS[pair];
    machine.must_sh("mkdir -p -m 700 /etc/le /etc/le/archive /etc/le/live");
    machine.write(
        format!("/etc/le/archive/{pair}.crt"),
        certificate,
        0o644,
        Owner::ROOT,
    );
    machine.write(format!("/etc/le/archive/{pair}.key"), key, 0o600, Owner::ROOT);
    machine.must_sh(&format!(
        "ln -sfn ../archive/{pair}.crt /etc/le/live/cert.pem; ln -sfn ../archive/{pair}.key /etc/le/live/key.pem"
    ));
}

/// Whose certificate is shown.
fn subject(machine: &Machine, port: u16) -> String {
    let script = "import ssl,sys; print(ssl.get_server_certificate(('127.0.0.1', int(sys.argv[1]))))";
    let shown = machine.must(&["python3", "-c", script, &port.to_string()]);
    let found = PAIRS
        .iter()
        .position(|(certificate, _)| certificate.trim() == shown.trim());
    found.map_or(shown, |found| found.to_string())
}

const TLS: &[(&str, &str, u16)] = &[
    (
        "workers",
        "https-socket = 127.0.0.1:9443,/etc/le/live/cert.pem,/etc/le/live/key.pem\n",
        9443,
    ),
    (
        "router",
        "plugin = http\nhttps = 127.0.0.1:9444,/etc/le/live/cert.pem,/etc/le/live/key.pem\n",
        9444,
    ),
    (
        "router2",
        "plugin = http\nhttps2 = addr=127.0.0.1:9445,cert=/etc/le/live/cert.pem,key=/etc/le/live/key.pem\n",
        9445,
    ),
    (
        "shared",
        "plugin = http\nshared-socket = 127.0.0.1:443\nhttps = =0,/etc/le/live/cert.pem,/etc/le/live/key.pem\n",
        443,
    ),
    (
        "ssl",
        "plugin = sslrouter\nsslrouter = 127.0.0.1:9446,/etc/le/live/cert.pem,/etc/le/live/key.pem\n\
         sslrouter-to = 127.0.0.1:9100\nhttp-socket = 127.0.0.1:9100\n",
        9446,
    ),
];

#[test]
fn keys_of_roots_serve_and_are_renewed_by_a_reload() {
    on_each_suite(|suite| {
        let machine = boot(suite);
        for emperor in ["emperor-use-clone = fs,pid\n", ""] {
            machine.write(
                "/etc/vassal/emperor.ini",
                format!("[uwsgi]\nemperor = /etc/uwsgi/vassals\n{emperor}"),
                0o644,
                Owner::ROOT,
            );
            machine.must(&["systemctl", "daemon-reload"]);
            for (name, lines, port) in TLS {
                install(&machine, 0);
                let unit = vassal(&machine, name, lines);
                start(&machine, &unit);
                serves(&machine, &format!("https://127.0.0.1:{port}/live"));
                assert_eq!(subject(&machine, *port), "0", "{suite} {name}");
                install(&machine, 1);
                machine.must(&["systemctl", "reload", &unit]);
                serves(&machine, &format!("https://127.0.0.1:{port}/live"));
                assert_eq!(subject(&machine, *port), "1", "{suite} {name}: renewed");
                machine.must(&["systemctl", "restart", &unit]);
                serves(&machine, &format!("https://127.0.0.1:{port}/live"));
                assert_eq!(
                    machine.must_sh("ls /run/vassal | grep pem || true"),
                    "",
                    "{suite} {name}: on the host"
                );
                machine.must(&["systemctl", "stop", &unit]);
            }
        }
        assert_eq!(
            machine.must_sh("grep vassal-keys /proc/mounts || true"),
            "",
            "{suite}"
        );
    });
}

#[test]
fn a_tenant_gets_no_file_by_the_name_of_a_key() {
    on_each_suite(|suite| {
        let machine = boot(suite);
        install(&machine, 0);
        // A link that the tenant has put in the way of a key of his own.
        machine.must_sh("install -d -o user001 /srv/tls; install -o user001 -m 644 /etc/le/live/cert.pem /srv/tls/cert.pem");
        machine.must_sh("ln -s /etc/le/live/key.pem /srv/tls/key.pem; chown -h user001 /srv/tls/key.pem");
        let line = "https-socket = 127.0.0.1:9443,/srv/tls/cert.pem,/srv/tls/key.pem\n";
        let unit = vassal(&machine, "tenant", line);
        let started = machine.run(&["timeout", "5", "systemctl", "start", &unit]);
        assert!(!started.succeeded(), "{suite}: {}", machine.journal(&unit));
        machine.must(&["systemctl", "stop", &unit]);
        // A key that he can read is read where it is: also when uWSGI reloads by itself.
        machine
            .must_sh("rm /srv/tls/key.pem; install -o user001 -m 600 /etc/le/live/key.pem /srv/tls/key.pem");
        start(&machine, &unit);
        serves(&machine, "https://127.0.0.1:9443/live");
        let main = machine.unit(&unit, "MainPID");
        let mounts = machine.must_sh(&format!("cat /proc/{main}/mounts"));
        assert!(!mounts.contains("vassal-keys"), "{suite}: {mounts}");
        machine.must(&["systemctl", "stop", &unit]);
    });
}

#[test]
fn a_key_that_a_reload_cannot_hand_over_leaves_the_app_as_it_is() {
    on_each_suite(|suite| {
        let machine = boot(suite);
        install(&machine, 0);
        let unit = vassal(&machine, "late", "http-socket = 127.0.0.1:9100\n");
        start(&machine, &unit);
        vassal(
            &machine,
            "late",
            "http-socket = 127.0.0.1:9100\nhttps-socket = 127.0.0.1:9443,/etc/le/live/cert.pem,/etc/le/live/key.pem\n",
        );
        let reloaded = machine.run(&["timeout", "30", "systemctl", "reload", &unit]);
        assert!(!reloaded.succeeded(), "{suite}: {}", machine.journal(&unit));
        assert!(
            machine.journal(&unit).contains("a reload cannot hand it over"),
            "{suite}"
        );
        serves(&machine, "http://127.0.0.1:9100/live");
        assert_eq!(machine.unit(&unit, "NRestarts"), "0", "{suite}");
        machine.must(&["systemctl", "restart", &unit]);
        serves(&machine, "https://127.0.0.1:9443/live");
        machine.must(&["systemctl", "stop", &unit]);
        // Without a mount namespace the mounts of hooks would be the app's alone.
        machine.write(
            "/etc/vassal/emperor.ini",
            "[uwsgi]\nemperor = /etc/uwsgi/vassals\n",
            0o644,
            Owner::ROOT,
        );
        let hooked =
            "exec-as-user = true\nhttps-socket = 127.0.0.1:9443,/etc/le/live/cert.pem,/etc/le/live/key.pem\n";
        let unit = vassal(&machine, "hooked", hooked);
        refused(&machine, &unit, "chgrp it to the app's group and chmod 640");
    });
}

#[test]
fn an_own_root_gets_the_hosts_key_where_it_has_a_place_for_it() {
    on_each_suite(|suite| {
        let machine = boot(suite);
        install(&machine, 0);
        machine.make_dir("/srv/root", 0o755, Owner::ROOT);
        let tls = "https-socket = 127.0.0.1:9443,/etc/le/live/cert.pem,/etc/le/live/key.pem\n";
        let lines = |flags: &str| {
            format!("{tls}chroot = /srv/root\nhook-pre-jail = mount:none / /srv/root {flags}\n")
        };
        // With the host's /run, in which root has made the directory, and without.
        let unit = vassal(&machine, "own", &lines("bind,rec"));
        start(&machine, &unit);
        serves(&machine, "https://127.0.0.1:9443/live");
        install(&machine, 1);
        machine.must(&["systemctl", "reload", &unit]);
        assert_eq!(subject(&machine, 9443), "1", "{suite}: renewed");
        machine.must(&["systemctl", "stop", &unit]);
        let unit = vassal(&machine, "bare", &lines("bind"));
        refused(&machine, &unit, "mkdir /run/vassal there");
        machine.must_sh("chgrp -R user001 /etc/le; chmod -R g+rX /etc/le");
        start(&machine, &unit);
        serves(&machine, "https://127.0.0.1:9443/live");
    });
}
