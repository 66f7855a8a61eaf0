//! The unit: how exposed systemd takes it to be, what its filter denies to root, and that apps work under it.

use vassal_tests::{Owner, on_each_suite, seed};

use super::scene::{LIMIT, findings, machine, put, start, tenant};

/// Tenths of systemd's exposure level. What is left is what mounts, users and their namespaces take: root, CAP_SYS_ADMIN, no
/// NoNewPrivileges=, no mount namespace of systemd's.
const MOST_EXPOSURE: &str = "--threshold=71";

#[test]
fn the_unit_is_no_more_exposed_than_its_work_needs_and_its_slice_leaves_the_host_something() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let unit = put(&machine, "user001", seed::ZIP);
        machine.must(&["systemd-analyze", "security", "--no-pager", MOST_EXPOSURE, &unit]);
        assert_eq!(machine.unit(&unit, "OOMPolicy"), "continue");
        for limit in ["MemoryHigh", "TasksMax"] {
            let value = machine.unit("vassal.slice", limit);
            assert!(value.parse::<u64>().is_ok(), "{limit}={value}");
        }
        // A drop-in changes the default.
        let drop_in = "[Slice]\nTasksMax=1234\nMemoryHigh=infinity\n";
        machine.write(
            "/etc/systemd/system/vassal.slice.d/own.conf",
            drop_in,
            0o644,
            Owner::ROOT,
        );
        machine.must(&["systemctl", "daemon-reload"]);
        assert_eq!(machine.unit("vassal.slice", "TasksMax"), "1234");
        assert_eq!(machine.unit("vassal.slice", "MemoryHigh"), "infinity");
    });
}

#[test]
fn roots_hooks_are_denied_what_the_unit_denies_until_the_file_takes_it_back() {
    // swapon(2) of a path that is none: EFAULT, where it may be called.
    let hook = "exec-as-root = perl -e '$! = 0; syscall(167, 1, 0); print \"swapon \", $! + 0, \"\\n\"' >/srv/seen/NAME";
    on_each_suite(|suite| {
        let machine = machine(suite);
        for (name, service, expected) in [
            ("closed", "", "1"),
            ("open", "[Service]\nSystemCallFilter=\n", "14"),
        ] {
            let hook = hook.replace("NAME", name);
            let text = format!(
                "[uwsgi]\n{hook}\n{}{service}",
                tenant("sleep infinity").replace("[uwsgi]\n", "")
            );
            start(&machine, name, &text);
            assert_eq!(
                findings(&machine, &format!("/srv/seen/{name}"))["swapon"],
                expected,
                "{name}"
            );
        }
    });
}

#[test]
fn a_capability_that_the_unit_lacks_is_the_apps_when_its_file_asks_for_it() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let attack = "python3 /srv/attacks/calls.py /srv/seen/cap stay";
        // By a plain line the unit gets it, too; from a block it cannot.
        start(
            &machine,
            "plain",
            &tenant(attack).replace("[vassal]", "cap = sys_nice\n[vassal]"),
        );
        let seen = findings(&machine, "/srv/seen/cap");
        assert_eq!(
            (&*seen["CapEff"], &*seen["CapBnd"]),
            ("0000000000800000", "0000000000800000"),
            "{seen:?}"
        );
        let block = "if-file = /etc/passwd\ncap = sys_nice\nendif =\n[vassal]";
        let unit = put(&machine, "block", &tenant(attack).replace("[vassal]", block));
        assert!(!machine.run(&["systemctl", "start", &unit]).succeeded());
        machine.wait_for_journal(&unit, "add it to CapabilityBoundingSet= in [Service]", LIMIT);
        machine.must(&["systemctl", "stop", &unit]);
        let service = "[Service]\nCapabilityBoundingSet=CAP_SYS_NICE\n";
        start(
            &machine,
            "block",
            &format!("{}{service}", tenant(attack).replace("[vassal]", block)),
        );
    });
}

#[test]
fn a_python_app_with_threads_and_children_serves_under_the_filters() {
    const APP: &str = "\
import hashlib, multiprocessing, socket, sqlite3, ssl, subprocess, threading
def work(queue):
    queue.put(subprocess.check_output(['id', '-un']).decode().strip())
def application(environ, start_response):
    queue = multiprocessing.Queue()
    child = multiprocessing.Process(target=work, args=(queue,)); child.start()
    name = queue.get(timeout=20); child.join()
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(hashlib.sha256(b'x').hexdigest())) for _ in range(4)]
    [thread.start() for thread in threads]; [thread.join() for thread in threads]
    sqlite3.connect(':memory:').execute('select 1'); ssl.create_default_context(); socket.getaddrinfo('127.0.0.1', 80)
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [('%s %d' % (name, len(seen))).encode()]
";
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.write("/srv/attacks/app.py", APP, 0o644, Owner::ROOT);
        let text = "[uwsgi]\nplugin = python3\nuid = user001\ngid = user001\nhttp-socket = :9090\n\
                    enable-threads = true\nprocesses = 2\nwsgi-file = /srv/attacks/app.py\n";
        start(&machine, "user001", text);
        machine.poll_http(9090, "/", LIMIT);
        let (status, body) = machine.http(9090, "/").unwrap();
        assert_eq!(
            (status, String::from_utf8_lossy(&body).as_ref()),
            (200, "user001 4")
        );
    });
}
