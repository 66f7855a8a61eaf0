//! Nothing is left of a machine: `Drop` panics when it finds a process, a mount, a FUSE connection or a directory.

use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use vassal_tests::{Machine, Owner, Signal, Suite, fixtures};

use crate::LIMIT;

#[test]
fn nothing_is_left_of_a_machine_with_a_hung_mount() {
    for suite in Suite::all() {
        let machine = Machine::boot(suite, &[]);
        fixtures::scenario(&machine);
        machine.must_sh("runuser -u user001 -- fuse-zip -r /var/www/app001.zip /app");
        let daemon = machine.pids("fuse-zip")[0];
        assert!(machine.kill(daemon, Signal::SIGSTOP));
        machine.must(&[
            "systemd-run",
            "--unit=reader",
            "--uid=user001",
            "cat",
            "/app/name",
        ]);
        machine.wait_for("reader that hangs", LIMIT, || {
            let readers = machine.pids_of("reader.service", "cat");
            if readers.len() == 1 {
                Ok(())
            } else {
                Err(format!("{readers:?}"))
            }
        });
        let (name, begun) = (machine.name().to_owned(), Instant::now());
        drop(machine);
        println!("{suite}: gone in {:?}", begun.elapsed());
        assert_eq!(traces(&name).unwrap(), "");
    }
}

#[test]
fn nothing_is_left_of_a_machine_whose_mount_waits_for_itself() {
    // unionfs-fuse is not in trixie.
    for suite in Suite::all().into_iter().filter(|suite| *suite == Suite::Bookworm) {
        let machine = Machine::boot(suite, &[]);
        machine
            .must_sh("mkdir /srv/own /srv/union && unionfs-fuse -ocow /srv/own=RW:/srv/union=RO /srv/union");
        machine.must(&["systemd-run", "--unit=reader", "ls", "/srv/union/file"]);
        machine.wait_for_unit("reader.service", "ActiveState", "active", LIMIT);
        let (name, begun) = (machine.name().to_owned(), Instant::now());
        drop(machine);
        println!("{suite}: gone in {:?}", begun.elapsed());
        assert_eq!(traces(&name).unwrap(), "");
    }
}

#[test]
fn a_killed_test_takes_its_machine_along() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_machine"))
        .arg(Suite::all()[0].name())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let name = line.split(' ').next().unwrap();
    let leader = format!("/proc/{}", line.trim_end().rsplit(' ').next().unwrap());
    assert!(Path::new(&leader).exists(), "{line}");
    child.kill().unwrap();
    child.wait().unwrap();
    let deadline = Instant::now() + LIMIT;
    while Path::new(&leader).exists() {
        assert!(Instant::now() < deadline, "{leader} is still there");
        std::thread::sleep(Duration::from_millis(2));
    }
    // Its empty directories go with the next machine that is booted.
    drop(Machine::boot(Suite::all()[0], &[]));
    assert_eq!(traces(name).unwrap(), "");
}

#[test]
fn machines_run_side_by_side() {
    let suites = Suite::all();
    std::thread::scope(|scope| {
        for suite in suites.iter().chain(&suites) {
            scope.spawn(|| {
                let machine = Machine::boot(*suite, &[]);
                machine.write("/run/name", machine.name(), 0o644, Owner::ROOT);
                assert_eq!(machine.must(&["cat", "/run/name"]), machine.name());
            });
        }
    });
}

/// What the host shows of a machine: mounts, directories, cgroups; the kernel removes no cgroup that has a process.
fn traces(name: &str) -> io::Result<String> {
    let shell = "grep -F \"$0-\" /proc/self/mountinfo; ls -d \"${TMPDIR:-/tmp}/$0-\"* 2>&-; find /sys/fs/cgroup -name \"$0\" 2>&-";
    let output = Command::new("sh").args(["-c", shell, name]).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
