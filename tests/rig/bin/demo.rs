//! `demo SUITE PACKAGE`: the scenario's monitored vassal on a machine that is thrown away afterwards, every step as an
//! administrator would do it, told in plain words. Exit code 0 says that each step did what it says. Run by machines/demo.sh.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use vassal_tests::{Boot, Failure, Machine, Owner, Signal, Suite, fixtures, seed};

const USAGE: u8 = 64;
const UNIT: &str = "vassal@user001.service";
const INI: &str = "/etc/uwsgi/vassals/user001.ini";
const PORT: u16 = 9090;

/// Far longer than any step takes; the hang alone has three seconds by default.
const LIMIT: Duration = Duration::from_secs(20);

/// A failure sooner than a second after the start counts as a failed attempt, and the one after the next has to wait.
const PROVEN: Duration = Duration::from_millis(1100);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let wanted = match &arguments[..] {
        [name, package] => Suite::EVERY
            .into_iter()
            .find(|suite| suite.name() == name)
            .map(|suite| (suite, Path::new(package))),
        _ => None,
    };
    let Some((suite, package)) = wanted else {
        eprintln!("usage: demo bookworm|trixie PACKAGE.deb");
        return ExitCode::from(USAGE);
    };
    // The rig panics with all there is to know; where in its code it did so is of no interest here.
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let text = payload.downcast_ref::<String>().map(String::as_str);
        match text.or_else(|| payload.downcast_ref::<&str>().copied()) {
            Some(text) => eprintln!("demo: {text}"),
            None => eprintln!("demo: {panic}"),
        }
    }));
    match demonstrate(suite, package) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("demo: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn demonstrate(suite: Suite, package: &Path) -> Result<(), Failure> {
    let begun = Instant::now();
    let machine = boot(suite)?;
    install(&machine, package)?;
    configure(&machine);
    start(&machine);
    let killed = lose(&machine, "dies (kill -9)", Signal::SIGKILL);
    let hung = lose(&machine, "hangs (SIGSTOP)", Signal::SIGSTOP);
    explain(&machine);
    stop(&machine);
    drop(machine);
    say("The machine is thrown away; the host has nothing left of it.");
    println!(
        "\nDebian {suite}, systemd {}: fuse-zip killed, served again after {killed:.0?}; hung, after {hung:.2?}. Whole demo: {:.1?}.",
        suite.systemd(),
        begun.elapsed()
    );
    Ok(())
}

fn boot(suite: Suite) -> Result<Machine, Failure> {
    say(&format!(
        "Booting Debian {suite} with a systemd of its own as PID 1"
    ));
    let machine = Boot::of(suite).start()?;
    println!("up after {:.1?}", machine.booted_in());
    show(
        &machine,
        "systemctl --version | head -n 1; findmnt --noheadings --output TARGET,FSTYPE,PROPAGATION /",
    );
    Ok(machine)
}

fn install(machine: &Machine, package: &Path) -> Result<(), Failure> {
    say("Installing the package, as on any host");
    let bytes = std::fs::read(package).map_err(|reason| Failure::File {
        doing: "read",
        path: package.to_owned(),
        reason,
    })?;
    machine.write("/root/vassal.deb", bytes, 0o644, Owner::ROOT);
    show(machine, "dpkg -i /root/vassal.deb");
    say("The Emperor: what the package ships is the tutorial's own configuration");
    show(machine, "cat /etc/vassal/emperor.ini");
    Ok(())
}

fn configure(machine: &Machine) {
    say(
        "An application in a zip archive, and the tutorial's monitored vassal: its file is all there is to write",
    );
    fixtures::scenario(machine);
    machine.write(INI, seed::ZIP_WATCHED, 0o644, Owner::ROOT);
    show(machine, &format!("cat {INI}"));
}

fn start(machine: &Machine) {
    say("Starting it");
    show(machine, "systemctl daemon-reload");
    let begun = Instant::now();
    show(machine, "systemctl start vassal@user001");
    machine.poll_http(PORT, "/", LIMIT);
    println!("served after {:.0?}", begun.elapsed());
    let answer = show(
        machine,
        "curl --silent --show-error --fail http://127.0.0.1:9090/",
    );
    assert!(
        answer.starts_with("hello from app001 pid "),
        "not the app's answer: {answer}"
    );
    let status = show_status(machine);
    assert!(
        status.contains("serving; /app healthy (fuse.fuse-zip"),
        "no health in the status"
    );
    say("The mount is the vassal's own: the machine does not see it, although its / is shared");
    let seen = show(machine, "findmnt /app || echo nothing is mounted on /app");
    assert_eq!(seen, "nothing is mounted on /app");
}

/// Sends fuse-zip a signal that ends its service; gives the time until the app reads through its mount again.
fn lose(machine: &Machine, what: &str, signal: Signal) -> Duration {
    say(&format!("fuse-zip {what}"));
    let restarts = machine.unit(UNIT, "NRestarts");
    // Not for synchronisation: the vassal is given the time after which its next failure is a first one.
    std::thread::sleep(PROVEN);
    let daemon = machine.pid_of(UNIT, "fuse-zip");
    let begun = Instant::now();
    assert!(machine.kill(daemon, signal), "fuse-zip was gone already");
    let took = loop {
        // Only an answer to a request that the old daemon cannot have had a part in says that the vassal is back.
        let is_gone = !machine.pids("fuse-zip").contains(&daemon);
        let answer = machine.poll_http(PORT, "/live", LIMIT);
        if is_gone {
            break begun.elapsed();
        }
        assert!(
            begun.elapsed() < LIMIT,
            "the old fuse-zip still answers after {answer:?}"
        );
    };
    println!("the app reads through its mount again after {took:.2?}");
    assert_ne!(
        machine.unit(UNIT, "NRestarts"),
        restarts,
        "systemd has not restarted it"
    );
    machine.wait_for_unit(UNIT, "ActiveState", "active", LIMIT);
    show(machine, "systemctl show --property=StatusText vassal@user001");
    took
}

fn explain(machine: &Machine) {
    say("What systemd and vassal have to say (without the app's own lines)");
    show_status(machine);
    machine.must_sh("journalctl --sync");
    let ours = "journalctl --no-pager --output=short-precise --unit=vassal@user001";
    let told = show(
        machine,
        &format!("{ours} -t systemd -t vassal-enter -t vassal-watchdog"),
    );
    for expected in [
        "mountpoint-check: /app dead (ENOTCONN)",
        "mountpoint-check: /app hung",
        "result 'watchdog'",
    ] {
        assert!(told.contains(expected), "the journal has no '{expected}'");
    }
    say("The same with a remedy, from the message catalog");
    let remedy = show(
        machine,
        "journalctl --no-pager --catalog --unit=vassal@user001 VASSAL_VERDICT=hung",
    );
    assert!(
        remedy.contains("Subject: Mountpoint /app of vassal user001 hangs"),
        "no catalog entry"
    );
}

fn stop(machine: &Machine) {
    say("Stopping it");
    show(machine, "systemctl stop vassal@user001");
    assert_eq!(machine.unit(UNIT, "ActiveState"), "inactive");
    assert_eq!(machine.unit(UNIT, "Result"), "success");
    assert!(machine.http(PORT, "/").is_err(), "somebody still answers");
    say("Nothing is left: no process, no mount, no FUSE connection");
    let left = show(
        machine,
        "pgrep --list-full 'uwsgi|fuse-zip|vassal' || grep fuse.fuse-zip /proc/*/mountinfo || echo nothing",
    );
    assert_eq!(left, "nothing");
    assert_eq!(machine.fuse_connections().len(), 0, "a FUSE connection is left");
}

fn show_status(machine: &Machine) -> String {
    show(machine, "systemctl status --no-pager --lines=0 vassal@user001")
}

/// Runs a script that has to succeed and shows it with what it wrote, which it gives.
fn show(machine: &Machine, script: &str) -> String {
    println!("# {script}");
    let wrote = machine.must_sh(script);
    if !wrote.is_empty() {
        println!("{wrote}");
    }
    wrote
}

fn say(what: &str) {
    println!("\n==> {what}");
}
