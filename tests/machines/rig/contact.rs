//! Booting, commands, files, requests, waiting.

use std::path::Path;
use std::time::{Duration, Instant};

use vassal_tests::{Boot, Failure, HttpError, Machine, Owner, Suite};

use crate::LIMIT;

#[test]
fn each_suite_boots_its_own_systemd() {
    for suite in Suite::all() {
        let machine = Machine::boot(suite, &[]);
        let version = machine.must(&["systemctl", "--version"]);
        assert!(
            version.starts_with(&format!("systemd {} ", suite.systemd())),
            "{version}"
        );
        assert_eq!(
            machine.must(&["systemctl", "is-system-running"]),
            "running",
            "{}",
            machine.state()
        );
        assert_eq!(machine.must(&["findmnt", "-no", "PROPAGATION", "/"]), "shared");
        assert_eq!(
            machine.must(&["findmnt", "-no", "FSTYPE", "/sys/fs/cgroup"]),
            "cgroup2"
        );
        assert_eq!(
            machine.must(&["cat", "/proc/self/cgroup"]).lines().last(),
            Some("0::/rig")
        );
        assert_eq!(
            machine.must(&["env"]).lines().count(),
            6,
            "{}",
            machine.must(&["env"])
        );
        assert_eq!(
            machine.inner_pid(machine.leader()).map(vassal_tests::Pid::as_raw),
            Some(1)
        );
        assert_eq!(
            machine
                .run(&["sh", "-c", "echo out; echo err >&2; exit 7"])
                .status
                .code(),
            Some(7)
        );
    }
}

#[test]
fn a_machine_that_does_not_come_up_shows_its_console() {
    let broken = "#!/bin/sh\necho no luck today\nexit 1\n";
    let boot = Boot::of(Suite::all()[0]).file("/lib/systemd/systemd", broken, 0o755, Owner::ROOT);
    match boot.start() {
        Err(Failure::Boot { console, .. }) => assert!(console.contains("no luck today"), "{console}"),
        Err(failure) => panic!("{failure}"),
        Ok(machine) => panic!("{} is up", machine.name()),
    }
}

#[test]
fn commands_can_run_in_the_namespaces_of_a_process() {
    let machine = Machine::boot(Suite::all()[0], &[]);
    let jail = [
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--mount-proc",
        "sleep",
        "infinity",
    ];
    machine.must(&[&["systemd-run", "--unit=jail"][..], &jail].concat());
    let pid = machine.wait_for("process in the jail", LIMIT, || {
        machine
            .pids_of("jail.service", "sleep")
            .first()
            .copied()
            .ok_or("none")
    });
    let output = machine.run_inside(pid, &["cat", "/proc/1/comm"]);
    assert_eq!(output.stdout, "sleep\n", "{output}");
    assert_eq!(machine.pid_of("jail.service", "sleep"), pid);
    assert_eq!(machine.unit_pids("jail.service").len(), 2);
    assert_eq!(machine.unit_pids("absent.service"), []);
}

#[test]
#[should_panic(expected = "is not of this machine")]
fn processes_of_the_host_are_out_of_reach() {
    let machine = Machine::boot(Suite::all()[0], &[]);
    let own = i32::try_from(std::process::id()).unwrap();
    machine.kill(vassal_tests::Pid::from_raw(own), vassal_tests::Signal::SIGCONT);
}

#[test]
fn requests_reach_a_server_in_the_machine_and_cost_little() {
    const REQUESTS: u32 = 200;
    for suite in Suite::all() {
        let machine = Machine::boot(suite, &[]);
        machine.write("/srv/www/answer", "forty-two\n", 0o644, Owner::ROOT);
        let server = ["python3", "-m", "http.server", "--directory=/srv/www", "8000"];
        machine.must(&[&["systemd-run", "--unit=web"][..], &server].concat());
        machine.poll_http(8000, "/answer", LIMIT);
        assert_eq!(
            machine.http(8000, "/answer").unwrap(),
            (200, b"forty-two\n".to_vec())
        );
        assert_eq!(machine.http(8000, "/absent").unwrap().0, 404);

        // The rig's own share of a request: to make a socket in the machine, set its limits and connect it, to nobody here.
        let mut shares: Vec<Duration> = (0..REQUESTS)
            .map(|_| {
                let begun = Instant::now();
                assert!(matches!(machine.http(8001, "/"), Err(HttpError::Connect(_))));
                begun.elapsed()
            })
            .collect();
        shares.sort();
        let share = shares[shares.len() / 2];
        assert!(share < Duration::from_millis(1), "{share:?} a request");

        let begun = Instant::now();
        machine.must(&["true"]);
        println!(
            "{suite}: boot {:?}, request {share:?}, command {:?}",
            machine.booted_in(),
            begun.elapsed()
        );
    }
}

#[test]
fn files_stay_in_the_machine() {
    let machine = Machine::boot(Suite::all()[0], &[]);
    let outside = format!("/tmp/outside-{}", std::process::id());
    machine.must(&["ln", "-s", "/tmp", "/srv/link"]);
    machine.write(
        outside.replace("/tmp", "/srv/link"),
        "inside",
        0o640,
        Owner::USER002,
    );
    assert_eq!(
        machine.must(&["stat", "--format=%a %U %G %s", &outside]),
        "640 user002 user002 6"
    );
    machine.write(format!("/../..{outside}"), "less", 0o600, Owner::ROOT);
    assert_eq!(machine.read_text(&outside), "less");
    assert_eq!(
        machine.must(&["stat", "--format=%a %U %G %s", &outside]),
        "600 root root 4"
    );
    assert!(!Path::new(&outside).exists());

    machine.make_dir("/srv/a/b", 0o1777, Owner::USER003);
    assert_eq!(
        machine.must(&["stat", "--format=%a %U", "/srv/a", "/srv/a/b"]),
        "755 root\n1777 user003"
    );
}

#[test]
#[should_panic(expected = "no morning within 30ms; last seen: night")]
fn waiting_in_vain_tells_what_was_seen() {
    let machine = Machine::boot(Suite::all()[0], &[]);
    machine.wait_for("morning", Duration::from_millis(30), || Err::<(), _>("night"));
}
