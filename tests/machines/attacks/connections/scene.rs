//! A machine whose root namespace is the host's: faultfs mounts there what is not the vassals'.

use std::time::Duration;

use vassal_tests::{Boot, Machine, Owner, Pid, Signal, Suite, fixtures, installed};

/// More than anything here takes on a busy host.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The program that is both daemon and app.
const FAULTFS: &str = env!("CARGO_BIN_EXE_faultfs");

/// A machine with the package and faultfs; the app's process has another name than the daemon's.
pub fn machine(suite: Suite) -> Machine {
    let machine = Boot::of(suite).layer(&installed(suite)).start().unwrap();
    let program = std::fs::read(FAULTFS).unwrap();
    machine.write("/usr/local/bin/faultfs", program, 0o755, Owner::ROOT);
    machine.must(&["ln", "/usr/local/bin/faultfs", "/usr/local/bin/faultfs-app"]);
    machine
}

/// A vassal whose app is faultfs's.
#[derive(Debug, Clone, Copy)]
pub struct Vassal {
    /// Its name.
    pub name: &'static str,
    /// Where its app listens.
    pub port: u16,
}

impl Vassal {
    /// Its unit.
    pub fn unit(self) -> String {
        format!("vassal@{}.service", self.name)
    }

    /// Starts it; `options` are lines of its `[uwsgi]`, `settings` of its `[vassal]` section.
    pub fn start(self, machine: &Machine, options: &str, settings: &str) {
        let port = self.port;
        let text = format!(
            "[uwsgi]\nuid = user001\ngid = user001\n{options}\
             [vassal]\ncommand = exec /usr/local/bin/faultfs-app --http {port}\nready = 127.0.0.1:{port}\n{settings}"
        );
        let file = format!("/etc/uwsgi/vassals/{}.ini", self.name);
        machine.write(file, text, 0o644, Owner::ROOT);
        machine.must_sh(&format!(
            "systemctl daemon-reload; systemctl start {}",
            self.unit()
        ));
    }

    /// Its watchdog.
    pub fn watchdog(self, machine: &Machine) -> Pid {
        machine.pid_of(&self.unit(), "vassal-watchdog")
    }

    /// How often it was restarted.
    pub fn restarts(self, machine: &Machine) -> u32 {
        machine.unit(&self.unit(), "NRestarts").parse().unwrap()
    }

    /// Waits until it serves after more than so many restarts.
    pub fn wait_restarted(self, machine: &Machine, restarts: u32) {
        machine.wait_for(&format!("restart of {}", self.name), LIMIT, || {
            let seen = (self.restarts(machine), machine.unit(&self.unit(), "ActiveState"));
            match seen.0 > restarts && seen.1 == "active" {
                true => Ok(()),
                false => Err(format!("{seen:?}")),
            }
        });
    }

    /// Waits for a verdict on one of its mountpoints.
    pub fn wait_for_verdict(self, machine: &Machine, text: &str) {
        machine.wait_for_journal(&self.unit(), text, LIMIT);
    }
}

/// Mounts faultfs on the host for everybody to read, as a daemon of this user's.
pub fn mount_on_host(machine: &Machine, place: &str, owner: u32) {
    fixtures::mountpoint(machine, place, Owner::ROOT);
    machine.must(&["faultfs", "--allow-other", "--owner", &owner.to_string(), place]);
}

/// Has a process of the host's read a file whose read is never answered.
pub fn read_for_ever(machine: &Machine, file: &str) -> Pid {
    machine.must_sh(&format!("setsid cat {file} </dev/null >/dev/null 2>&1 &"));
    let found = machine.wait_for("a reader", LIMIT, || {
        let reader = machine.pids("cat").into_iter().find(|pid| {
            let wchan = std::fs::read_to_string(format!("/proc/{pid}/wchan")).unwrap_or_default();
            wchan.contains("request_wait") || wchan.contains("fuse") || wchan.contains("folio")
        });
        reader.ok_or("none that waits")
    });
    assert!(machine.kill(found, Signal::SIGCONT));
    found
}

/// Demands that a mount of the host's is as it was: a file of it can be read, and who waits for it waits.
pub fn assert_answers(machine: &Machine, place: &str) {
    let read = machine.sh(&format!("timeout 5 cat {place}/ok"));
    assert_eq!(
        read.stdout,
        "ok\n",
        "{place} is not what it was: {read}\n{}",
        machine.state()
    );
}

/// Whether a process is there, and no zombie.
pub fn runs(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// The processes that serve a mount of the host's, and no vassal's.
pub fn hosts_daemons(machine: &Machine, of_vassals: &[Vassal]) -> Vec<Pid> {
    let own: Vec<Pid> = of_vassals
        .iter()
        .flat_map(|vassal| machine.pids_of(&vassal.unit(), "faultfs"))
        .collect();
    let all = machine.pids("faultfs").into_iter();
    all.filter(|pid| !own.contains(pid)).collect()
}
