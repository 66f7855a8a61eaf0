//! Files that are dropped, removed and changed while everything runs: how long until vassal-emperor, and uWSGI's own Emperor
//! beside it on the
//! same machine, have put that into effect.

use std::time::{Duration, Instant, SystemTime};

use vassal_tests::{Boot, Failure, Machine, Owner, Signal, Suite, installed};

use crate::contender::{Contender, LIMIT, start_emperor};
use crate::measures::thousand::{COUNT, STANDSTILL, not_well};

/// How often each is done.
const ROUNDS: usize = 20;
/// How many are dropped at the same time.
const AT_ONCE: usize = 20;
/// How many make a crowd.
const CROWD: usize = COUNT;
/// How long after a crowd was dropped systemd stands still: some of it runs, some starts, and some is not begun.
const BEFORE_STANDSTILL: Duration = Duration::from_secs(2);
/// How many of them are changed.
const CHANGED: usize = 100;
/// How long a crowd may take.
const CROWD_LIMIT: Duration = Duration::from_secs(300);

/// How many connections are made to a vassal on demand: enough for a thousand starts.
const CONNECTIONS: usize = 1300;
const SHORT_LIVED: &str = include_str!("../../machines/fixtures/short-lived.pl");
const CLIENT: &str = include_str!("../../machines/fixtures/client.pl");

const SLEEPER: &str =
    "[uwsgi]\nuid = nobody\ngid = nogroup\n[vassal]\ncommand = exec /usr/bin/sleep infinity\n";

/// What was seen.
#[derive(Debug)]
pub struct Live {
    /// From the file's appearance to the first answer: vassal, the Emperor.
    pub drops: [Vec<Duration>; 2],
    /// From its removal until nothing of it is left.
    pub removals: [Vec<Duration>; 2],
    /// From a change to the answer of the new version, vassal.
    pub changes: Vec<Duration>,
    /// From the appearance of twenty files to the last one's readiness.
    pub twenty: Duration,
    /// The same of a thousand.
    pub crowd: Duration,
    /// How long a hundred changes of these took, and how many vassals were restarted.
    pub changed: (Duration, usize),
    /// Of a thousand that were dropped right before systemd stood still, and of which a hundred were changed meanwhile: until all ran
    /// after it went on, and how many did not, or had been killed.
    pub standstill: (Duration, usize),
    /// The emperor's memory at most, in KiB.
    pub memory: u64,
    /// Connections to a vassal on demand whose app ends after 10 ms of nobody: made, answered, and the starts for them.
    pub demand: [usize; 3],
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
pub fn measure(suite: Suite) -> Result<Live, Failure> {
    let machine = Boot::of(suite).layer(&installed(suite)).emperor().start()?;
    machine.write(
        "/srv/app.pl",
        "sub { [200, [], [$ENV{VERSION}]] };\n",
        0o644,
        Owner::ROOT,
    );
    machine.make_dir("/etc/uwsgi-peer/vassals", 0o755, Owner::ROOT);
    let peer = "[uwsgi]\nemperor = /etc/uwsgi-peer/vassals\nemperor-use-clone = fs,pid\n";
    machine.write("/etc/uwsgi-peer/emperor.ini", peer, 0o644, Owner::ROOT);
    start_emperor(&machine);
    let mut live = Live {
        drops: [Vec::new(), Vec::new()],
        removals: [Vec::new(), Vec::new()],
        changes: Vec::new(),
        twenty: Duration::ZERO,
        crowd: Duration::ZERO,
        changed: (Duration::ZERO, 0),
        standstill: (Duration::ZERO, 0),
        memory: 0,
        demand: [0; 3],
    };
    for round in 0..ROUNDS {
        for (at, contender) in Contender::BOTH.into_iter().enumerate() {
            live.drops[at].push(drop_one(&machine, contender, "1"));
            if contender == Contender::Vassal {
                live.changes.push(change(&machine, &format!("v{round}")));
            }
            live.removals[at].push(remove_one(&machine, contender));
        }
        eprintln!("{suite}: round {round}");
    }
    eprintln!("{suite}: {:?}", (&live.drops, &live.removals, &live.changes));
    live.twenty = drop_many(&machine, "few", AT_ONCE);
    live.crowd = drop_many(&machine, "mass", CROWD);
    live.changed = change_many(&machine);
    live.standstill = standstill(&machine);
    let pid = machine.unit("vassal-emperor.service", "MainPID");
    let memory = machine.must_sh(&format!("awk '/VmHWM/ {{ print $2 }}' /proc/{pid}/status"));
    live.memory = memory.trim().parse().unwrap_or(0);
    machine.must_sh("rm /etc/uwsgi/vassals/*.ini");
    live.demand = on_demand(&machine);
    Ok(live)
}

fn on_demand(machine: &Machine) -> [usize; 3] {
    let text = machine.read_text("/etc/vassal/emperor.ini");
    let text = format!("{text}emperor-on-demand-extension = .socket\n");
    machine.write("/etc/vassal/emperor.ini", text, 0o644, Owner::ROOT);
    machine.write("/srv/short", SHORT_LIVED, 0o755, Owner::ROOT);
    machine.write("/root/client.pl", CLIENT, 0o644, Owner::ROOT);
    machine.write(
        "/etc/uwsgi/vassals/short.ini.socket",
        "127.0.0.1:7001\n",
        0o644,
        Owner::ROOT,
    );
    let text = "[uwsgi]\nuid = nobody\ngid = nogroup\n[vassal]\ncommand = exec /srv/short\nready = started\n";
    machine.write("/etc/uwsgi/vassals/short.ini", text, 0o644, Owner::ROOT);
    machine.wait_for_unit("vassal@short.socket", "ActiveState", "active", CROWD_LIMIT);
    let good = machine.must(&["perl", "/root/client.pl", &CONNECTIONS.to_string(), "7001"]);
    machine.must(&["journalctl", "--sync"]);
    let starts = machine
        .journal("vassal@short.service")
        .matches("Starting ")
        .count();
    [CONNECTIONS, good.trim().parse().unwrap_or(0), starts]
}

fn app(port: u16, version: &str) -> String {
    format!(
        "[uwsgi]\nplugin = psgi\nmaster = true\nhttp-socket = :{port}\npsgi = /srv/app.pl\nuid = www-data\ngid = www-data\n\
         env = VERSION={version}\n"
    )
}

fn directory(contender: Contender) -> &'static str {
    match contender {
        Contender::Vassal => "/etc/uwsgi/vassals",
        Contender::Emperor => "/etc/uwsgi-peer/vassals",
    }
}

/// Runs a command of the shell and gives the moment before it, by the shell's own clock.
fn at(machine: &Machine, command: &str) -> SystemTime {
    let micros = machine.must(&["bash", "-ec", &format!("echo ${{EPOCHREALTIME/./}}; {command}")]);
    let micros = micros.trim().parse().unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_micros(micros)
}

fn drop_one(machine: &Machine, contender: Contender, version: &str) -> Duration {
    machine.write("/etc/new", app(contender.port(), version), 0o644, Owner::ROOT);
    let begun = at(machine, &format!("mv /etc/new {}/one.ini", directory(contender)));
    machine.poll_http(contender.port(), "/", LIMIT);
    begun.elapsed().unwrap_or_default()
}

fn change(machine: &Machine, version: &str) -> Duration {
    machine.write(
        "/etc/new",
        app(Contender::Vassal.port(), version),
        0o644,
        Owner::ROOT,
    );
    let begun = at(machine, "mv /etc/new /etc/uwsgi/vassals/one.ini");
    machine.wait_for("new version", LIMIT, || {
        match machine.http(Contender::Vassal.port(), "/") {
            Ok((200, body)) if body == version.as_bytes() => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    begun.elapsed().unwrap_or_default()
}

/// Looked for by one shell, as each new process of the test's would take as long as what is measured.
fn remove_one(machine: &Machine, contender: Contender) -> Duration {
    let limit = LIMIT.as_micros();
    let is_left = match contender {
        Contender::Vassal => {
            "[ -d /run/systemd/generator/vassal@one.service.d ] || \
             [ -n \"$(systemctl list-units --all --no-legend --plain 'vassal@one.service')\" ]"
        }
        Contender::Emperor => "pgrep -f 'emperor://[o]ne.ini|--ini [o]ne.ini' >/dev/null",
    };
    let micros = machine.must(&[
        "bash",
        "-ec",
        &format!(
            "begun=${{EPOCHREALTIME/./}}; rm {}/one.ini; while {{ {is_left}; }}; do \
             [ $((${{EPOCHREALTIME/./}} - begun)) -lt {limit} ] || exit 1; sleep 0.002; done; \
             echo $((${{EPOCHREALTIME/./}} - begun))",
            directory(contender)
        ),
    ]);
    Duration::from_micros(micros.trim().parse().unwrap_or(0))
}

fn drop_many(machine: &Machine, name: &str, count: usize) -> Duration {
    let begun = drop_files(machine, name, count);
    wait_for_all(machine, name, count);
    begun.elapsed().unwrap_or_default()
}

fn drop_files(machine: &Machine, name: &str, count: usize) -> SystemTime {
    machine.must_sh(&format!(
        "mkdir /etc/{name}; printf '%s' '{SLEEPER}' >/etc/text; for n in $(seq 1 {count}); do cp /etc/text /etc/{name}/{name}$n.ini; done"
    ));
    at(machine, &format!("mv /etc/{name}/* /etc/uwsgi/vassals/"))
}

fn wait_for_all(machine: &Machine, name: &str, count: usize) {
    machine.wait_for(&format!("{count} active vassals"), CROWD_LIMIT, || {
        let list =
            format!("systemctl list-units --no-legend --plain --state=active 'vassal@{name}*' | wc -l");
        match machine.must_sh(&list).trim().parse::<usize>() {
            Ok(seen) if seen == count => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    });
}

/// Has systemd stand still while a crowd comes and some of it is changed.
fn standstill(machine: &Machine) -> (Duration, usize) {
    machine.must_sh("rm /etc/uwsgi/vassals/mass*.ini");
    machine.wait_for("no crowd", CROWD_LIMIT, || {
        match machine.must_sh("systemctl list-units --all --no-legend --plain 'vassal@mass*' | wc -l") {
            none if none.trim() == "0" => Ok(()),
            some => Err(some),
        }
    });
    drop_files(machine, "still", CROWD);
    std::thread::sleep(BEFORE_STANDSTILL);
    assert!(machine.kill(machine.leader(), Signal::SIGSTOP));
    change_files(machine, "still");
    std::thread::sleep(STANDSTILL);
    assert!(machine.kill(machine.leader(), Signal::SIGCONT));
    let begun = SystemTime::now();
    wait_for_all(machine, "still", CROWD);
    let took = begun.elapsed().unwrap_or_default();
    // The emperor may still be restarting some that have changed; what was killed stays counted.
    let settled = Instant::now() + LIMIT;
    let mut left = not_well(machine, "still");
    while left > 0 && Instant::now() < settled {
        std::thread::sleep(Duration::from_millis(200));
        left = not_well(machine, "still");
    }
    (took, left)
}

/// Changes some files of a crowd; the moment before.
fn change_files(machine: &Machine, name: &str) -> SystemTime {
    let step = CROWD / CHANGED;
    at(
        machine,
        &format!(
            "cd /etc/uwsgi/vassals; for ((n = {step}; n <= {CROWD}; n += {step})); do echo '; changed' >>{name}$n.ini; done"
        ),
    )
}

/// Changes some of the crowd, and counts who was started again.
fn change_many(machine: &Machine) -> (Duration, usize) {
    let all = "systemctl show --property=InvocationID --value 'vassal@mass*' | sort >/run/";
    machine.must_sh(&format!("{all}before"));
    let begun = change_files(machine, "mass");
    let count = || {
        let new = machine.must_sh(&format!(
            "{all}now; comm -13 /run/before /run/now | grep -c . || :"
        ));
        new.trim().parse().unwrap_or(0)
    };
    machine.wait_for("changes", CROWD_LIMIT, || match count() {
        CHANGED => Ok(()),
        seen => Err(seen),
    });
    let took = begun.elapsed().unwrap_or_default();
    // More would come now.
    std::thread::sleep(Duration::from_secs(2));
    (took, count())
}
