//! How long vassalctl takes to tell of a thousand vassals that run, beside systemctl's own list of their units (`bench fleet`: only that).

use std::time::Duration;

use vassal_tests::{Failure, Machine, Owner, Suite, installed};

/// How many vassals.
const COUNT: usize = 1000;
/// How often each command is run.
const RUNS: usize = 20;

const VASSAL: &str =
    "[uwsgi]\nuid = nobody\ngid = nogroup\n[vassal]\ncommand = exec /usr/bin/sleep infinity\n";

/// What is measured.
const COMMANDS: [&str; 4] = [
    "vassalctl list",
    "vassalctl list --json",
    "vassalctl metrics",
    "systemctl list-units --all --no-pager --full 'vassal@*'",
];

/// The shortest and the median time of a command.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// The command.
    pub command: &'static str,
    /// The shortest time: that of a quiet moment.
    pub shortest: Duration,
    /// The median.
    pub median: Duration,
}

/// Boots a machine, starts the vassals, and times the commands in it.
///
/// # Errors
///
/// When the machine does not come up.
///
/// # Panics
///
/// When systemd does not answer, or a command fails.
pub fn measure(suite: Suite) -> Result<Vec<Taken>, Failure> {
    let machine = vassal_tests::Boot::of(suite).layer(&installed(suite)).start()?;
    for number in 1..=COUNT {
        let path = format!("/etc/uwsgi/vassals/fleet{number:04}.ini");
        machine.write(path, VASSAL, 0o644, Owner::ROOT);
    }
    machine.must(&["systemctl", "daemon-reload"]);
    // More of them than one command may take.
    machine.must(&["systemctl", "start", "--no-block", "vassals.target"]);
    machine.wait_for("the vassals", Duration::from_secs(300), || {
        let serving = machine.must_sh("vassalctl list --state serving | wc -l");
        if serving == COUNT.to_string() {
            Ok(())
        } else {
            Err(serving)
        }
    });
    Ok(COMMANDS.map(|command| time(&machine, command)).to_vec())
}

/// Times a command inside the machine, so that the way into it does not count.
fn time(machine: &Machine, command: &'static str) -> Taken {
    let script = format!(
        "set -e; for run in {{1..{RUNS}}}; do begun=${{EPOCHREALTIME/./}}; {command} >/tmp/out; \
         echo $((${{EPOCHREALTIME/./}} - begun)); done"
    );
    let text = machine.must(&["bash", "-c", &script]);
    let mut times: Vec<_> = text
        .lines()
        .filter_map(|line| line.parse().ok())
        .map(Duration::from_micros)
        .collect();
    times.sort();
    Taken {
        command,
        shortest: times.first().copied().unwrap_or_default(),
        median: times.get(times.len() / 2).copied().unwrap_or_default(),
    }
}
