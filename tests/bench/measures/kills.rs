//! fuse-zip is killed again and again while the app is asked a hundred times a second, for each way in which clients connect to uWSGI, and
//! again beside three busy loops. Twenty vassals take turns, so that each has served for a second when its own is killed: one that has not
//! counts as a start that failed, and waits.

use std::fs;
use std::time::{Duration, Instant};

use vassal_tests::{Boot, Failure, Machine, Owner, Pid, Signal, Suite, fixtures, installed, seed};

use crate::client::{Client, Server, Tally};
use crate::contender::LIMIT;
use crate::measures::incident::PROVEN;
use crate::steady::{Connections, ask_steadily};

/// How many vassals there are.
const VASSALS: usize = 20;
/// The port of the first.
const FIRST_PORT: u16 = 9101;
/// How many loops there are on the busy machine, which has two cores as a rule.
const LOOPS: usize = 3;
/// How long is asked before a kill, at the least: several requests.
const BEFORE: Duration = Duration::from_millis(30);
/// The kills are spread evenly over the time between two requests: so many moments, so far apart.
const PHASES: usize = 100;
const PHASE: Duration = Duration::from_micros(100);
/// How long is asked when there is a new daemon: what comes while its app is loaded waits.
const AFTER: Duration = Duration::from_millis(60);
/// Between two looks at the daemons.
const LOOK: Duration = Duration::from_millis(5);

/// How clients connect.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// In words.
    pub name: &'static str,
    /// The lines of the vassal in the place of `http-socket = `.
    lines: &'static str,
    connections: Connections,
}

/// All of them. A worker that keeps a connection open has ears for no other, so there is one of those.
const WAYS: [Way; 4] = [
    Way {
        name: "http-socket, each request on a new connection",
        lines: "http-socket = ",
        connections: Connections::New,
    },
    Way {
        name: "http11-socket, one connection that is kept",
        lines: "http11-socket = ",
        connections: Connections::Kept(1),
    },
    Way {
        name: "uWSGI's router (http), each request on a new connection",
        lines: "plugins = http\nhttp = ",
        connections: Connections::New,
    },
    Way {
        name: "uWSGI's router (http) with http-keepalive, connections that are kept",
        lines: "plugins = http\nhttp-keepalive = 1\nhttp = ",
        connections: Connections::Kept(8),
    },
];

/// What clients saw.
#[derive(Debug)]
pub struct Kills {
    /// How they connected.
    pub way: Way,
    /// Beside busy loops.
    pub is_busy: bool,
    /// How many kills there were.
    pub kills: usize,
    /// What came of the requests, in as many rounds.
    pub tally: Tally,
}

/// Boots a machine, and kills the daemon of each vassal `times` times for each way; beside busy loops, too, if `beside_loops`.
///
/// # Errors
///
/// When the machine does not come up.
///
/// # Panics
///
/// When a vassal does not recover.
pub fn measure(suite: Suite, times: usize, beside_loops: bool) -> Result<Vec<Kills>, Failure> {
    let machine = Boot::of(suite).layer(&installed(suite)).start()?;
    fixtures::zip_app(&machine, "/var/www/app001.zip", "app001");
    for number in 0..VASSALS {
        fixtures::mountpoint(&machine, mountpoint(number), Owner::USER001);
    }
    let mut found = Vec::new();
    for way in WAYS {
        start(&machine, way);
        found.push(kills(&machine, way, times, false));
        if beside_loops {
            for number in 1..=LOOPS {
                let unit = format!("--unit=loop{number}");
                machine.must(&["systemd-run", "--quiet", &unit, "sh", "-c", "while :; do :; done"]);
            }
            found.push(kills(&machine, way, times, true));
            machine.must(&["systemctl", "stop", "loop*"]);
        }
        machine.must(&["systemctl", "stop", "vassal@kill*"]);
    }
    Ok(found)
}

fn mountpoint(number: usize) -> String {
    format!("/kill{number}")
}

fn client(number: usize) -> Client {
    Client {
        server: Server::Port(FIRST_PORT + u16::try_from(number).unwrap_or(u16::MAX)),
        ..Client::LIVE
    }
}

/// Starts the vassals.
fn start(machine: &Machine, way: Way) {
    for number in 0..VASSALS {
        let port = usize::from(FIRST_PORT) + number;
        let text = seed::ZIP_WATCHED
            .replace("http-socket = :9090", &format!("{}:{port}", way.lines))
            .replace(" /app", &format!(" {}", mountpoint(number)));
        let path = format!("/etc/uwsgi/vassals/kill{number}.ini");
        machine.write(path, text, 0o644, Owner::ROOT);
    }
    machine.must(&["systemctl", "daemon-reload"]);
    let units: Vec<String> = (0..VASSALS)
        .map(|number| format!("vassal@kill{number}"))
        .collect();
    let mut command = vec!["systemctl", "start"];
    command.extend(units.iter().map(String::as_str));
    machine.must(&command);
}

fn kills(machine: &Machine, way: Way, times: usize, is_busy: bool) -> Kills {
    let mut tally = Tally::default();
    let mut since = [Instant::now(); VASSALS];
    for kill in 0..times * VASSALS {
        let number = kill % VASSALS;
        std::thread::sleep(PROVEN.saturating_sub(since[number].elapsed()));
        let client = client(number);
        let seen = ask_steadily(machine, &client, way.connections, |round| {
            std::thread::sleep(BEFORE + PHASE * u32::try_from(kill % PHASES).unwrap_or(0));
            let before = daemon(machine, number);
            round.begin(kill + 1);
            assert!(
                before.is_some_and(|pid| machine.kill(pid, Signal::SIGKILL)),
                "no daemon {number}"
            );
            let begun = Instant::now();
            while daemon(machine, number).is_none_or(|pid| Some(pid) == before) {
                assert!(
                    begun.elapsed() < LIMIT,
                    "vassal {number} does not recover\n{}",
                    machine.state()
                );
                std::thread::sleep(LOOK);
            }
            std::thread::sleep(AFTER);
        });
        since[number] = Instant::now();
        tally.add(seen);
    }
    let kills = times * VASSALS;
    let found = Kills {
        way,
        is_busy,
        kills,
        tally,
    };
    eprintln!("{}, busy: {is_busy}: {kills} kills: {}", way.name, found.tally);
    found
}

/// The FUSE daemon of a vassal, by its arguments.
fn daemon(machine: &Machine, number: usize) -> Option<Pid> {
    let mountpoint = mountpoint(number);
    let is_its = |pid: &Pid| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        arguments
            .split(|byte| *byte == 0)
            .any(|argument| argument == mountpoint.as_bytes())
    };
    machine.pids("fuse-zip").into_iter().rfind(is_its)
}
