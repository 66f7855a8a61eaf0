//! Deploys: what clients notice of a reload, of a broken version and of a restart, and how long a reload in place and a stop
//! take. uWSGI's own
//! Emperor beside it on the same machine, where it can do the thing.

use std::time::Duration;

use vassal_tests::{Boot, Failure, Machine, Owner, Suite, installed};

use crate::client::{Client, Round, Server, Tally, ask_while};
use crate::contender::{Contender, LIMIT, start_emperor};
use crate::measures::memory::proportional_set_size;

/// How long the app of the slow version loads.
const LOADS: Duration = Duration::from_secs(3);
/// How often each short thing is done.
const ROUNDS: usize = 10;
/// How many reloads and restarts there are under load.
const MANY: usize = 100;
/// How long clients ask after a broken version.
const BROKEN: Duration = Duration::from_secs(8);

const UNIT: &str = "vassal@one.service";
const APP: &str = "/srv/app.pl";

/// What was seen.
#[derive(Debug)]
pub struct Deploys {
    /// While an app that loads 3 s is put in the place of another: vassal, the Emperor.
    pub slow: [Tally; 2],
    /// While a version that does not load is put there.
    pub broken: [Tally; 2],
    /// How long `systemctl reload` took, in place.
    pub in_place: Vec<Duration>,
    /// How long `systemctl stop` of an idle uwsgi took.
    pub stops: Vec<Duration>,
    /// The slowest request of each restart; of the Emperor, of each reload of an app that loads at once.
    pub restarts: [Vec<Duration>; 2],
    /// While there were a hundred reloads, and a hundred restarts.
    pub many: [Tally; 2],
    /// The watchdog's memory in KiB before the hundred reloads, and after them.
    pub memory: [u64; 2],
}

/// Boots a machine and measures.
///
/// # Errors
///
/// When the machine does not come up.
///
/// # Panics
///
/// When something does not happen in time.
pub fn measure(suite: Suite) -> Result<Deploys, Failure> {
    let machine = Boot::of(suite).layer(&installed(suite)).start()?;
    machine.make_dir("/etc/uwsgi-peer/vassals", 0o755, Owner::ROOT);
    let peer = "[uwsgi]\nemperor = /etc/uwsgi-peer/vassals\nemperor-use-clone = fs,pid\n";
    machine.write("/etc/uwsgi-peer/emperor.ini", peer, 0o644, Owner::ROOT);
    put(&machine, "first", Duration::ZERO);
    machine.write(
        file(Contender::Emperor),
        vassal(Contender::Emperor, ""),
        0o644,
        Owner::ROOT,
    );
    start_emperor(&machine);
    start(&machine, "");
    machine.poll_http(Contender::Emperor.port(), "/", LIMIT);
    let slow = Contender::BOTH.map(|contender| {
        put(&machine, "slow", LOADS);
        let tally = reload_under_load(&machine, contender, "slow");
        put(&machine, "first", Duration::ZERO);
        reload(&machine, contender, "first");
        tally
    });
    let broken = Contender::BOTH.map(|contender| broken(&machine, contender));
    put(&machine, "first", Duration::ZERO);
    let emperors = restarts_of_emperor(&machine);
    machine.must(&["systemctl", "stop", Contender::Emperor.unit()]);
    let restarts = [restarts(&machine), emperors];
    let stops = (0..ROUNDS).map(|_| {
        machine.must(&["systemctl", "start", UNIT]);
        machine.poll_http(Contender::Vassal.port(), "/", LIMIT);
        timed(&machine, "systemctl stop vassal@one")
    });
    let stops = stops.collect();
    start(&machine, "[vassal]\nreload = in-place\n");
    let in_place = (0..ROUNDS).map(|_| timed(&machine, "systemctl reload vassal@one"));
    let in_place = in_place.collect();
    eprintln!("{suite}: {restarts:?} {stops:?} {in_place:?}");
    start(&machine, "");
    put(&machine, "first", Duration::ZERO);
    let memory = || {
        let watchdog = machine.pid_of(UNIT, "vassal-watchdog");
        proportional_set_size(watchdog).unwrap_or(0)
    };
    reload(&machine, Contender::Vassal, "first");
    let before = memory();
    let many = |verb: &str| {
        let during = |round: &Round| {
            for number in 1..=MANY {
                round.begin(number);
                machine.must(&["systemctl", verb, UNIT]);
            }
        };
        ask_while(
            &machine,
            &[client(Contender::Vassal), client(Contender::Vassal)],
            during,
        )
    };
    let reloads = many("reload");
    let memory = [before, memory()];
    let many = [reloads, many("restart")];
    Ok(Deploys {
        slow,
        broken,
        in_place,
        stops,
        restarts,
        many,
        memory,
    })
}

fn file(contender: Contender) -> &'static str {
    match contender {
        Contender::Vassal => "/etc/uwsgi/vassals/one.ini",
        Contender::Emperor => "/etc/uwsgi-peer/vassals/one.ini",
    }
}

fn vassal(contender: Contender, more: &str) -> String {
    format!(
        "[uwsgi]\nplugin = psgi\nmaster = true\nprocesses = 2\nhttp-socket = :{}\npsgi = {APP}\nuid = www-data\ngid = www-data\n{more}",
        contender.port()
    )
}

/// An app that answers `/version` with its own, and everything else with the same in each.
fn put(machine: &Machine, version: &str, loads: Duration) {
    let loads = loads.as_secs_f32();
    let text = format!(
        "select undef, undef, undef, {loads};\n\
         sub {{ my $body = $_[0]{{PATH_INFO}} eq '/version' ? '{version}' : 'live'; [200, ['Content-Length' => length $body], [$body]] }};\n"
    );
    machine.write(APP, text, 0o644, Owner::ROOT);
}

fn start(machine: &Machine, more: &str) {
    machine.write(
        file(Contender::Vassal),
        vassal(Contender::Vassal, more),
        0o644,
        Owner::ROOT,
    );
    machine.must(&["systemctl", "daemon-reload"]);
    machine.must(&["systemctl", "restart", UNIT]);
    machine.poll_http(Contender::Vassal.port(), "/", LIMIT);
}

fn client(contender: Contender) -> Client {
    Client {
        server: Server::Port(contender.port()),
        path: "/",
        body: "live",
    }
}

/// Has the contender take the app as it is now, and waits until `version` answers.
fn reload(machine: &Machine, contender: Contender, version: &str) {
    match contender {
        Contender::Vassal => drop(machine.must(&["systemctl", "reload", UNIT])),
        Contender::Emperor => drop(machine.must(&["touch", file(contender)])),
    }
    machine.wait_for("version", LIMIT, || {
        match machine.http(contender.port(), "/version") {
            Ok((200, body)) if body == version.as_bytes() => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}

fn reload_under_load(machine: &Machine, contender: Contender, version: &str) -> Tally {
    ask_while(machine, &[client(contender), client(contender)], |_| {
        reload(machine, contender, version);
    })
}

fn broken(machine: &Machine, contender: Contender) -> Tally {
    machine.write(APP, "this is { no perl\n", 0o644, Owner::ROOT);
    ask_while(machine, &[client(contender)], |_| {
        match contender {
            Contender::Vassal => assert!(!machine.run(&["systemctl", "reload", UNIT]).succeeded()),
            Contender::Emperor => drop(machine.must(&["touch", file(contender)])),
        }
        std::thread::sleep(BROKEN);
    })
}

fn restarts(machine: &Machine) -> Vec<Duration> {
    let slowest = (0..ROUNDS).map(|_| {
        let tally = ask_while(
            machine,
            &[client(Contender::Vassal), client(Contender::Vassal)],
            |_| {
                machine.must(&["systemctl", "restart", UNIT]);
            },
        );
        assert!(tally.failed.is_empty(), "{tally}");
        tally.slowest
    });
    slowest.collect()
}

fn restarts_of_emperor(machine: &Machine) -> Vec<Duration> {
    machine.must(&["touch", file(Contender::Emperor)]);
    machine.poll_http(Contender::Emperor.port(), "/", LIMIT);
    let slowest = (0..ROUNDS).map(|round| {
        let version = format!("v{round}");
        put(machine, &version, Duration::ZERO);
        reload_under_load(machine, Contender::Emperor, &version).slowest
    });
    slowest.collect()
}

/// How long a command takes, by the clock of the shell that runs it.
fn timed(machine: &Machine, command: &str) -> Duration {
    let script = format!("begun=${{EPOCHREALTIME/./}}; {command}; echo $((${{EPOCHREALTIME/./}} - begun))");
    let micros = machine.must(&["bash", "-ec", &script]);
    Duration::from_micros(micros.trim().parse().unwrap_or(0))
}
