//! `picture`: takes README's picture of a machine with vassals: what `systemctl status` shows of its first vassal, and what
//! `vassalctl` shows
//! of that and of two more. Writes both into README.md, in the place of the ones that are there.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use vassal_tests::{Boot, Failure, Machine, Owner, Signal, Suite, fixtures, installed, seed};

const UNIT: &str = "vassal@user001.service";
const LIMIT: Duration = Duration::from_secs(20);
/// How a line of a picture begins, and the commands that stand above.
const INDENT: &str = "    ";
const STATUS: &str = "    # systemctl status vassal@user001\n";
const LIST: &str = "    # vassalctl\n";
/// Lines of the status that differ from machine to machine, or say nothing of vassal.
const LEFT_OUT: [&str; 9] = [
    "Docs:",
    "man:",
    "file:",
    "Invocation:",
    "Process:",
    "Tasks:",
    "Memory:",
    "CPU:",
    "FD Store:",
];

fn main() -> ExitCode {
    match take() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("picture: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn take() -> Result<(), Failure> {
    let machine = Boot::of(Suite::Bookworm)
        .layer(&installed(Suite::Bookworm))
        .start()?;
    fixtures::scenario(&machine);
    let sleeper = "[uwsgi]\nuid = user002\ngid = user002\n[vassal]\ncommand = exec sleep infinity\n";
    for (name, text) in [
        ("user001", seed::ZIP_WATCHED),
        ("user002", sleeper),
        (
            "user003",
            "[uwsgi]\nuid = user003\ngid = user003\n[vassal]\ncommand = exec false\n",
        ),
    ] {
        machine.write(format!("/etc/uwsgi/vassals/{name}.ini"), text, 0o644, Owner::ROOT);
    }
    machine
        .must_sh("systemctl daemon-reload; systemctl start vassals.target; vassalctl maintenance user002 on");
    machine.wait_for_unit(UNIT, "ActiveState", "active", LIMIT);
    let status = status(&machine);
    assert!(machine.kill(machine.pid_of(UNIT, "fuse-zip"), Signal::SIGKILL));
    machine.wait_for_unit(UNIT, "NRestarts", "1", LIMIT);
    machine.wait_for_unit(UNIT, "ActiveState", "active", LIMIT);
    machine.wait_for("a vassal that waits", LIMIT, || {
        let waiting = machine.run(&["vassalctl", "list", "--state=waiting", "user003"]);
        if waiting.stdout.is_empty() {
            Err(waiting)
        } else {
            Ok(())
        }
    });
    let list = machine.must_sh(
        "NO_COLOR=1 TERM=xterm SYSTEMD_PAGER= script -qec 'stty cols 200; vassalctl' /dev/null | tr -d '\\r'",
    );
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("README.md");
    let text = std::fs::read_to_string(&readme);
    let written = text.and_then(|text| {
        let text = put(&put(&text, STATUS, &status), LIST, &list);
        std::fs::write(&readme, text)
    });
    written.map_err(|reason| Failure::File {
        doing: "rewrite",
        path: readme,
        reason,
    })
}

fn status(machine: &Machine) -> String {
    let status = machine.status(UNIT).stdout;
    let picture = status.lines().take_while(|line| !line.is_empty());
    let told = picture.filter(|line| !LEFT_OUT.iter().any(|begin| line.trim_start().starts_with(begin)));
    told.collect::<Vec<_>>().join("\n")
}

/// `text` with `picture` below the line `above`, in the place of the lines that are there up to an empty one.
fn put(text: &str, above: &str, picture: &str) -> String {
    let (before, after) = text.split_once(above).unwrap_or((text, ""));
    let after = after.split_once("\n\n").map_or("", |(_, after)| after);
    let lines: String = picture
        .lines()
        .map(|line| format!("{INDENT}{}\n", line.trim_end()))
        .collect();
    format!("{before}{above}{lines}\n{after}")
}
