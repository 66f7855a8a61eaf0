//! Stops of a vassal in which somebody does not end: each step of a stop is over at its limit, and the next one comes.

use std::fs::File;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use nix::fcntl::OFlag;
use vassal_tests::{AS_USER001, Machine, Owner, seed};

use crate::LIMIT;
use crate::setup::scene::{UNIT, complaints, drop_in, on_each_suite};
use crate::setup::writer::{ARCHIVE, archived, with_archive};

/// What one stop may take here, where no limit is longer than four seconds (uWSGI takes one by itself); `TimeoutStopSec=` is 3 min.
const SOON: Duration = Duration::from_secs(30);

/// Where everybody who is told to end leaves a line.
const MARKS: &str = "/srv/marks/marks";

/// One that is told to end says so, and whether those are still there that have to end before; then it ends, or goes on.
const PROGRAM: &str = "#!/bin/sh
before=$1
trap 'echo \"${0##*/} after $before, of which $(pgrep -c -r R,S,D -x $before) are left\" >>/srv/marks/marks; $2' TERM
while :; do sleep 0.1; done
";

/// What it sees of the filesystem shows that the daemon is still there.
const HOOK: &str = "exec-as-user-atexit = echo \"hook after leftover, of which $(pgrep -c -r R,S,D -x leftover) are left, with $(cat /app/name)\" \
    >>/srv/marks/marks";

/// A stop in which one does not end.
struct Case {
    /// Whose limit it is; the name of the file that is written before the stop, too.
    name: &'static str,
    /// What is other than in the vassal of which everybody ends, and what it is then.
    change: (&'static str, &'static str),
    /// Whether uWSGI has begun a request that outlasts the stop.
    is_busy: bool,
    /// What the journal says of it.
    warning: Option<&'static str>,
    /// Who has left a mark before the others do.
    first: Option<&'static str>,
}

const CASES: [Case; 5] = [
    Case {
        name: "nobody",
        change: ("", ""),
        is_busy: false,
        warning: None,
        first: None,
    },
    Case {
        name: "uwsgi",
        change: ("", ""),
        is_busy: true,
        warning: Some("uwsgi did not stop within 4 s, killing it"),
        first: None,
    },
    Case {
        name: "command",
        change: ("[vassal]\n", "[vassal]\ncommand = app nobody :\n"),
        is_busy: false,
        warning: Some("app did not stop within 4 s, killing it"),
        first: Some("app after nobody, of which 0 are left"),
    },
    // SIGKILL comes without a word.
    Case {
        name: "leftover",
        change: ("'uwsgi|app' exit", "'uwsgi|app' :"),
        is_busy: false,
        warning: None,
        first: None,
    },
    Case {
        name: "hook",
        change: (">>/srv/marks/marks\n", ">>/srv/marks/marks; sleep 600\n"),
        is_busy: false,
        warning: Some("as-user-atexit hooks did not return within 3 s (atexit-timeout), killing them"),
        first: None,
    },
];

/// Of app, leftover and hook, in the order in which they have to come.
const LAST: [&str; 2] = [
    "leftover after uwsgi|app, of which 0 are left",
    "hook after leftover, of which 0 are left, with app001",
];

/// The writing vassal, with a process in the background and a hook at its end.
fn text() -> String {
    let mounted =
        seed::ZIP_WATCHED.replace("fuse-zip -r /var/www/app001.zip", &format!("fuse-zip {ARCHIVE}"));
    format!(
        "{mounted}exec-as-user = leftover 'uwsgi|app' exit &\n{HOOK}\n\
         [vassal]\nstop-timeout = 4s\natexit-timeout = 3s\n"
    )
}

/// A file of the machine's, by a path of the host.
fn outside(machine: &Machine, file: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root{file}", machine.leader()))
}

fn modified(machine: &Machine, file: &str) -> SystemTime {
    outside(machine, file).metadata().unwrap().modified().unwrap()
}

/// Stops a vassal whose step of that name has to be cut short.
fn meet(machine: &Machine, case: &Case) {
    let Case {
        name,
        change: (usual, other),
        is_busy,
        warning,
        first,
    } = case;
    machine.must(&["rm", "-f", MARKS]);
    drop_in(machine, &text().replacen(usual, other, 1));
    machine.must(&["systemctl", "start", UNIT]);
    let write = format!("echo 'written by app001' >/app/{name}");
    let as_user = [&AS_USER001[..], &["sh", "-ec", &write]].concat();
    let written = machine.run_inside(machine.pid_of(UNIT, "fuse-zip"), &as_user);
    assert!(written.succeeded(), "{name}: {written}");
    let told = complaints(machine, "warning").len();
    let _request = is_busy.then(|| Request::begin(machine));
    machine.must(&["systemctl", "stop", "--no-block", UNIT]);
    let begun = Instant::now();
    machine.wait_for("end of the unit", SOON, || {
        match &*machine.unit(UNIT, "ActiveState") {
            "inactive" => Ok(()),
            state => Err(format!("{name}: {state}")),
        }
    });
    let (stopped, marks) = (begun.elapsed(), machine.read_text(MARKS));
    println!("{} {name}: stopped after {stopped:?}", machine.suite());
    let order: Vec<&str> = first.iter().copied().chain(LAST).collect();
    assert_eq!(
        marks.lines().collect::<Vec<_>>(),
        order,
        "{name}\n{}",
        machine.state()
    );
    // Last of all the daemon saves.
    assert!(archived(machine).contains(*name), "{name}\n{}", machine.state());
    assert!(modified(machine, ARCHIVE) >= modified(machine, MARKS), "{name}");
    let lines = complaints(machine, "warning").split_off(told);
    assert_eq!(lines.len(), warning.iter().len(), "{name}: {}", lines.join("\n"));
    assert!(
        lines
            .iter()
            .zip(warning)
            .all(|(line, warning)| line.ends_with(warning)),
        "{name}: {}",
        lines.join("\n")
    );
}

/// A request that waits for what nobody writes.
struct Request {
    _connection: TcpStream,
    _pipe: File,
}

impl Request {
    /// Has uWSGI begin one: a pipe can be opened for writing, without waiting, when there is a reader.
    fn begin(machine: &Machine) -> Request {
        const PIPE: &str = "/srv/marks/pipe";
        machine.must(&["mkfifo", "--mode=666", PIPE]);
        machine.poll_http(9090, "/", LIMIT);
        let mut connection = machine.connect(9090).unwrap();
        let request = format!("GET /read?{PIPE} HTTP/1.0\r\n\r\n");
        connection.write_all(request.as_bytes()).unwrap();
        let mut options = File::options();
        let options = options.write(true).custom_flags(OFlag::O_NONBLOCK.bits());
        let pipe = machine.wait_for("request that uWSGI has begun", LIMIT, || {
            options.open(outside(machine, PIPE))
        });
        Request {
            _connection: connection,
            _pipe: pipe,
        }
    }
}

#[test]
fn who_does_not_end_is_killed_at_its_limit_and_everybody_else_ends_in_order() {
    on_each_suite(|suite| {
        let machine = with_archive(suite);
        machine.make_dir("/srv/marks", 0o755, Owner::USER001);
        for program in ["leftover", "app"] {
            machine.write(format!("/usr/local/bin/{program}"), PROGRAM, 0o755, Owner::ROOT);
        }
        for case in &CASES {
            meet(&machine, case);
        }
    });
}
