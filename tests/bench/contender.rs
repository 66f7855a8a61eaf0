//! The two systems, side by side on one machine: the same vassal, with ports, directories, archives and users of their own.

use std::fs;
use std::time::{Duration, SystemTime};

use vassal_tests::{Boot, Failure, Machine, Owner, Pid, Suite, fixtures, installed, seed};

use crate::measures::incident::Victim;

/// The original scans every three seconds and may wait for a scan before each step of a start or a stop.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Where a vassal of the original is kept while it is not to run.
const ASIDE: &str = "/etc/uwsgi-peer/user002.ini";
const IN_PLACE: &str = "/etc/uwsgi-peer/vassals/user002.ini";

/// The original's own configuration, the scenario's with another directory.
const PEER_EMPEROR: &str = "/etc/uwsgi-peer/emperor.ini";

/// One of the two systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// The package under test.
    Vassal,
    /// uWSGI's own Emperor, as a service of systemd.
    Emperor,
}

impl Contender {
    /// Both.
    pub const BOTH: [Contender; 2] = [Contender::Vassal, Contender::Emperor];

    /// Where its app listens.
    pub fn port(self) -> u16 {
        match self {
            Contender::Vassal => 9090,
            Contender::Emperor => 9091,
        }
    }

    /// The body of its app's answer to `/live`, which is read through the mount.
    pub fn live_body(self) -> &'static str {
        match self {
            Contender::Vassal => "app001\n",
            Contender::Emperor => "app002\n",
        }
    }

    /// The unit its processes are in.
    pub fn unit(self) -> &'static str {
        match self {
            Contender::Vassal => "vassal@user001.service",
            Contender::Emperor => "emperor.service",
        }
    }

    /// Its vassal's FUSE daemon.
    pub fn victim(self) -> Victim {
        Victim {
            unit: self.unit(),
            daemon: "fuse-zip",
            port: self.port(),
            live_body: self.live_body(),
        }
    }

    /// Has it start its vassal: by `systemctl start`, which comes back when the app serves, or by moving the file into the
    /// Emperor's directory. Gives the moment in which that command was executed.
    ///
    /// # Panics
    ///
    /// When the command fails.
    pub fn begin(self, machine: &Machine) -> SystemTime {
        let command = match self {
            Contender::Vassal => "systemctl start vassal@user001".to_owned(),
            Contender::Emperor => format!("mv {ASIDE} {IN_PLACE}"),
        };
        // By the shell's own clock, since nsenter and the shell take as long to start as what is to be measured.
        let micros = machine.must(&[
            "bash",
            "-ec",
            &format!("echo ${{EPOCHREALTIME/./}}; exec {command}"),
        ]);
        match micros.trim().parse() {
            Ok(micros) => SystemTime::UNIX_EPOCH + Duration::from_micros(micros),
            Err(error) => panic!("the shell's clock says '{micros}': {error}"),
        }
    }

    /// Has it stop its vassal, and waits until nothing of that is left.
    ///
    /// # Panics
    ///
    /// When something is.
    pub fn end(self, machine: &Machine) {
        match self {
            Contender::Vassal => drop(machine.must(&["systemctl", "stop", self.unit()])),
            Contender::Emperor => {
                machine.must(&["mv", IN_PLACE, ASIDE]);
                machine.wait_for("end of the Emperor's vassal", LIMIT, || {
                    match masters(machine)[..] {
                        [] => Ok(()),
                        ref pids => Err(format!("{} vassals", pids.len())),
                    }
                });
            }
        }
    }
}

/// Boots a machine with both, and everything that the vassals need; neither vassal runs.
///
/// # Errors
///
/// When the machine does not come up.
pub fn boot(suite: Suite) -> Result<Machine, Failure> {
    let machine = Boot::of(suite).layer(&installed(suite)).start()?;
    fixtures::scenario(&machine);
    machine.write(
        "/etc/uwsgi/vassals/user001.ini",
        seed::ZIP_WATCHED,
        0o644,
        Owner::ROOT,
    );
    machine.must(&["systemctl", "daemon-reload"]);
    fixtures::zip_app(&machine, "/var/www/app002.zip", "app002");
    fixtures::mountpoint(&machine, "/app2", Owner::USER002);
    let vassal = seed::ZIP_WATCHED
        .replace("user001", "user002")
        .replace("app001.zip", "app002.zip")
        .replace(" /app", " /app2")
        .replace(":9090", ":9091");
    machine.write(ASIDE, vassal, 0o644, Owner::ROOT);
    machine.make_dir("/etc/uwsgi-peer/vassals", 0o755, Owner::ROOT);
    let emperor = seed::EMPEROR.replace("/etc/uwsgi/", "/etc/uwsgi-peer/");
    machine.write(PEER_EMPEROR, emperor, 0o644, Owner::ROOT);
    start_emperor(&machine);
    Ok(machine)
}

/// Starts the original's Emperor. Its mounts are kept from the machine's: where they propagate, as on any systemd host, the
/// tutorial does not work (SEED-11).
///
/// # Panics
///
/// When it does not start.
pub fn start_emperor(machine: &Machine) {
    let unit = [
        "systemd-run",
        "--quiet",
        "--unit=emperor",
        "--property=MountFlags=slave",
    ];
    let notify = ["--property=Type=notify", "--property=KillSignal=SIGINT"];
    machine.must(&[&unit[..], &notify, &["uwsgi", "--ini", PEER_EMPEROR]].concat());
}

/// The Emperor's children, dead ones that it has not waited for included: the masters of its vassals.
///
/// # Panics
///
/// When the Emperor does not run.
pub fn masters(machine: &Machine) -> Vec<Pid> {
    let pid = machine.unit(Contender::Emperor.unit(), "MainPID");
    let emperor = machine
        .unit_pids(Contender::Emperor.unit())
        .into_iter()
        .find(|candidate| {
            machine
                .inner_pid(*candidate)
                .is_some_and(|inner| inner.to_string() == pid)
        });
    let Some(emperor) = emperor else {
        panic!("the Emperor does not run\n{}", machine.state());
    };
    let children = fs::read_to_string(format!("/proc/{emperor}/task/{emperor}/children")).unwrap_or_default();
    let pids = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    pids.map(Pid::from_raw).collect()
}
