//! What the app may do and what it holds: its user, no capability, no descriptor that is not its own.

use std::collections::BTreeMap;

use vassal_tests::{Machine, Owner, Suite, seed};

use crate::LIMIT;
use crate::vassals::{UNIT, drop_in, get, machine, serving, uwsgi};

#[test]
fn the_app_is_its_user_with_its_groups_and_no_privilege() {
    for suite in Suite::all() {
        let machine = machine(suite);
        machine.must_sh("groupadd --gid 30001 editors; usermod --append --groups editors user001");
        drop_in(&machine, "user001", seed::ZIP);
        machine.must(&["systemctl", "start", UNIT]);
        let status = get(&machine, 9090, "/status");
        let fields: BTreeMap<&str, Vec<&str>> = status
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(key, value)| (key, value.split_whitespace().collect()))
            .collect();
        assert_eq!(fields["Uid"], ["20001"; 4], "{status}");
        assert_eq!(fields["Gid"], ["20001"; 4], "{status}");
        assert_eq!(fields["Groups"], ["20001", "30001"], "{status}");
        assert_eq!(fields["NoNewPrivs"], ["1"], "{status}");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(fields[set], ["0000000000000000"], "{set}: {status}");
        }
    }
}

#[test]
fn the_app_has_the_descriptors_of_a_uwsgi_started_by_hand_and_two_of_the_emperors() {
    for suite in Suite::all() {
        let by_hand = by_hand(suite);
        let machine = serving(suite, seed::ZIP);
        let ours = kinds(&get(&machine, 9090, "/fds"));
        let mut expected = by_hand.clone();
        *expected.entry("socket".into()).or_default() += 2;
        assert_eq!(ours, expected, "by hand: {by_hand:?}");
    }
}

#[test]
fn the_app_knows_nothing_of_systemds_own_variables() {
    const SYSTEMDS: [&str; 8] = [
        "NOTIFY_SOCKET",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
        "LISTEN_PID",
        "LISTEN_FDS",
        "LISTEN_FDNAMES",
        "FDSTORE",
        "MAINPID",
    ];
    for suite in Suite::all() {
        let machine = serving(suite, seed::ZIP);
        let environment =
            std::fs::read_to_string(format!("/proc/{}/environ", uwsgi(&machine, UNIT))).unwrap();
        let names: Vec<&str> = environment
            .split('\0')
            .filter_map(|entry| entry.split('=').next())
            .collect();
        assert!(names.contains(&"UWSGI_EMPEROR_FD"), "{names:?}");
        let known: Vec<_> = SYSTEMDS.iter().filter(|name| names.contains(name)).collect();
        assert!(known.is_empty(), "{known:?}");
    }
}

#[test]
fn an_envdir_of_a_tenants_is_for_the_app_and_not_for_roots_commands() {
    for suite in Suite::all() {
        let machine = machine(suite);
        machine.make_dir("/srv/seen", 0o777, Owner::ROOT);
        for (directory, owner) in [
            ("/srv/roots-env", Owner::ROOT),
            ("/srv/tenants-env", Owner::USER001),
        ] {
            machine.make_dir(directory, 0o755, owner);
        }
        let tenants_path = "/srv/tenants-bin:/usr/bin:/bin";
        machine.write("/srv/roots-env/ROOTS", "here", 0o644, Owner::ROOT);
        machine.write("/srv/tenants-env/TENANTS", "here", 0o644, Owner::USER001);
        machine.write("/srv/tenants-env/PATH", tenants_path, 0o644, Owner::USER001);
        let lines = "envdir = /srv/roots-env\nenvdir = /srv/tenants-env\n\
                     exec-as-root = /usr/bin/env >/srv/seen/root\nexec-as-user = /usr/bin/env >/srv/seen/user\n";
        drop_in(&machine, "user001", &format!("{}{lines}", seed::ZIP));
        machine.must(&["systemctl", "start", UNIT]);
        let variables = |file: &str| {
            let text = machine.read_text(file);
            let lines = text.lines().filter_map(|line| line.split_once('='));
            let named = lines.filter(|(name, _)| ["ROOTS", "TENANTS", "PATH"].contains(name));
            named
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        let [root, user] = ["/srv/seen/root", "/srv/seen/user"].map(variables);
        assert_eq!(root.get("ROOTS").map(String::as_str), Some("here"), "{root:?}");
        assert_eq!(root.get("TENANTS"), None, "{root:?}");
        assert_ne!(root["PATH"], tenants_path);
        assert_eq!(user.get("ROOTS").map(String::as_str), Some("here"), "{user:?}");
        assert_eq!(user.get("TENANTS").map(String::as_str), Some("here"), "{user:?}");
        assert_eq!(user["PATH"], tenants_path);
    }
}

/// What a uWSGI holds that systemd starts as the same user with the same configuration, but for the mount.
fn by_hand(suite: Suite) -> BTreeMap<String, usize> {
    let machine = Machine::boot(suite, &[]);
    machine.write(
        "/app/myapp.pl",
        vassal_tests::fixtures::psgi_app("app001"),
        0o644,
        Owner::ROOT,
    );
    // As every vassal of an Emperor, also the original's, it has a master.
    let text = "[uwsgi]\nmaster = true\nplugin = psgi\nhttp-socket = :9090\npsgi = /app/myapp.pl\n";
    machine.write("/etc/uwsgi/plain.ini", text, 0o644, Owner::ROOT);
    let unit = ["systemd-run", "--unit=plain", "--uid=user001", "--gid=user001"];
    machine.must(&[&unit[..], &["uwsgi", "--ini", "/etc/uwsgi/plain.ini"]].concat());
    machine.poll_http(9090, "/", LIMIT);
    kinds(&get(&machine, 9090, "/fds"))
}

/// How many descriptors of each kind a list of `NUMBER TARGET` lines has.
fn kinds(list: &str) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for line in list.lines() {
        let (_number, target) = line.split_once(' ').unwrap();
        // `socket:[4711]`, `pipe:[4712]`, `/proc/12/fd`: the numbers are nobody's.
        let kind = match target.split_once(":[") {
            Some(("anon_inode", rest)) => rest.trim_end_matches(']'),
            Some((kind, _)) => kind,
            None if target.starts_with("/proc/") => "/proc/PID/fd",
            None => target,
        };
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    kinds
}
