//! A machine full of vassals, and what one asks of one of them.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use vassal_tests::{Boot, Layer, Machine, Owner, Pid, Suite, installed};

use crate::LIMIT;
use crate::filesystem::Below;
use crate::tenant::Tenant;
use crate::unit::unit;

pub use vassal_tests::on_each_suite;

/// Between two looks; each is a process in a busy machine.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The program that is both daemon and app.
const FAULTFS: &str = env!("CARGO_BIN_EXE_faultfs");

/// A machine with the package and faultfs; the app's process has another name than the daemon's.
pub fn machine(suite: Suite) -> Machine {
    machine_with(suite, &[])
}

/// The same with further layers.
pub fn machine_with(suite: Suite, layers: &[Layer]) -> Machine {
    let boot = Boot::of(suite).layer(&installed(suite));
    furnished(layers.iter().fold(boot, Boot::layer))
}

/// Boots, and puts faultfs in.
pub fn furnished(boot: Boot) -> Machine {
    let machine = boot.start().unwrap();
    let program = std::fs::read(FAULTFS).unwrap();
    machine.write("/usr/local/bin/faultfs", program, 0o755, Owner::ROOT);
    machine.must(&["ln", "/usr/local/bin/faultfs", "/usr/local/bin/faultfs-app"]);
    machine
}

/// A machine in which these tenants serve; `extra` are lines of their `[vassal]` sections.
pub fn serving(suite: Suite, tenants: &[Tenant], extra: &str) -> Machine {
    let machine = machine(suite);
    start(&machine, tenants, extra);
    machine
}

/// Has these tenants serve in a machine; `extra` are lines of their `[vassal]` sections.
pub fn start(machine: &Machine, tenants: &[Tenant], extra: &str) {
    let with_texts: Vec<_> = tenants
        .iter()
        .map(|tenant| (tenant, tenant.text(extra)))
        .collect();
    serve(machine, &with_texts);
}

/// Starts tenants, each with its text, all with one command.
pub fn serve(machine: &Machine, tenants: &[(&Tenant, String)]) {
    for (tenant, text) in tenants {
        tenant.furnish(machine);
        let file = format!("/etc/uwsgi/vassals/{}.ini", tenant.name);
        machine.write(file, text, 0o644, Owner::ROOT);
    }
    machine.must(&["systemctl", "daemon-reload"]);
    let units: Vec<String> = tenants.iter().map(|(tenant, _)| tenant.unit()).collect();
    let mut start = vec!["systemctl", "start"];
    start.extend(units.iter().map(String::as_str));
    let started = machine.run(&start);
    assert!(started.succeeded(), "{}", machine.state());
    for (tenant, _) in tenants {
        assert_reads(machine, tenant);
    }
}

/// Demands that a tenant's app reads its filesystem, if it can; that it answers, otherwise.
pub fn assert_reads(machine: &Machine, tenant: &Tenant) {
    let path = match tenant.is_readable() {
        true => format!("/read?{}/ok", tenant.mountpoint()),
        false => "/".to_owned(),
    };
    machine.poll_http(tenant.port, &path, LIMIT);
}

/// Has the app read or lock a file, and does not wait for the answer: the connection is to be kept as long as it may wait.
pub fn ask(machine: &Machine, tenant: &Tenant, verb: &str, file: &str) -> TcpStream {
    let mut connection = machine.connect(tenant.port).unwrap();
    let request = format!("GET /{verb}?{}/{file} HTTP/1.0\r\n\r\n", tenant.mountpoint());
    connection.write_all(request.as_bytes()).unwrap();
    connection
}

/// Tells threads that it is over, however a test ends: who waits for them would wait for ever.
#[derive(Debug)]
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A verdict in the journal.
#[derive(Debug)]
pub struct Verdict {
    /// VASSAL_VERDICT=.
    pub word: String,
    /// VASSAL_MOUNTPOINT=.
    pub mountpoint: String,
    /// MESSAGE=.
    pub message: String,
    /// When the journal got it.
    pub time: SystemTime,
}

/// The verdicts on a vassal's mountpoints, oldest first.
pub fn verdicts(machine: &Machine, vassal: &str) -> Vec<Verdict> {
    machine.must(&["journalctl", "--sync"]);
    let export = machine.must(&[
        "journalctl",
        "--quiet",
        "--output=export",
        "--output-fields=VASSAL_VERDICT,VASSAL_MOUNTPOINT,MESSAGE",
        &format!("VASSAL={vassal}"),
    ]);
    let parse = |entry: &str| {
        let field = |name: &str| {
            let mut lines = entry.lines();
            let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            found.map(str::to_owned)
        };
        Some(Verdict {
            word: field("VASSAL_VERDICT")?,
            mountpoint: field("VASSAL_MOUNTPOINT")?,
            message: field("MESSAGE")?,
            time: UNIX_EPOCH + Duration::from_micros(field("__REALTIME_TIMESTAMP")?.parse().ok()?),
        })
    };
    export.split("\n\n").filter_map(parse).collect()
}

/// When systemd last found that a tenant's unit has failed.
pub fn last_failure(machine: &Machine, tenant: &Tenant) -> SystemTime {
    machine.must(&["journalctl", "--sync"]);
    let unit = format!("UNIT={}", tenant.unit());
    let lines = machine.must(&["journalctl", "--quiet", "--output=short-unix", "_PID=1", &unit]);
    let failed = |line: &&str| line.contains("Failed with result");
    let seconds = lines
        .lines()
        .rfind(failed)
        .and_then(|line| line.split(' ').next()?.parse().ok());
    UNIX_EPOCH + Duration::from_secs_f64(seconds.unwrap_or_default())
}

/// What a vassal has before it is disturbed.
#[derive(Debug)]
pub struct Before {
    /// How often it was restarted.
    pub restarts: u32,
    processes: Vec<Pid>,
    verdicts: usize,
    fuse: BTreeSet<String>,
}

impl Before {
    /// Looks.
    pub fn of(machine: &Machine, tenant: &Tenant) -> Before {
        Before {
            restarts: unit(machine, tenant).restarts,
            processes: machine.unit_pids(&tenant.unit()),
            verdicts: verdicts(machine, &tenant.name).len(),
            fuse: fuse_mounts(machine, tenant),
        }
    }

    /// Demands one more verdict, that one, and that nothing is left of what was there before; gives it.
    pub fn assert_over(&self, machine: &Machine, tenant: &Tenant, word: &str) -> Verdict {
        let mut all = verdicts(machine, &tenant.name);
        let news = all.split_off(self.verdicts.min(all.len()));
        let words: Vec<&str> = news.iter().map(|verdict| verdict.word.as_str()).collect();
        assert_eq!(words, [word], "{}: {news:?}", tenant.name);
        assert_eq!(news[0].mountpoint, tenant.mountpoint());
        self.assert_processes_gone(tenant);
        assert_eq!(fuse_mounts(machine, tenant), self.fuse, "{}", tenant.name);
        let outside = mounts(machine.leader());
        let is_tenants = |line: &str| line.split(' ').nth(4) == Some(&tenant.mountpoint());
        let is_seen = outside.lines().any(is_tenants);
        assert!(tenant.below == Below::Debian || !is_seen, "{outside}");
        news.into_iter().next().unwrap()
    }

    /// Waits until no process is left of those that were there, in whichever state.
    pub fn assert_processes_gone(&self, tenant: &Tenant) {
        let begun = Instant::now();
        while let Some(left) = self.processes.iter().find(|pid| exists(**pid)) {
            let state = std::fs::read_to_string(format!("/proc/{left}/stat"));
            assert!(begun.elapsed() < LIMIT, "{}: left behind: {state:?}", tenant.name);
            std::thread::sleep(LOOK_INTERVAL);
        }
    }
}

fn exists(pid: Pid) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

fn mounts(pid: Pid) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default()
}

/// The mountpoints of the FUSE filesystems that a tenant sees.
fn fuse_mounts(machine: &Machine, tenant: &Tenant) -> BTreeSet<String> {
    let app = machine.pids_of(&tenant.unit(), "faultfs-app");
    let text = app.first().map(|pid| mounts(*pid)).unwrap_or_default();
    let fuse = text.lines().filter(|line| line.contains(" - fuse."));
    fuse.filter_map(|line| line.split(' ').nth(4).map(str::to_owned))
        .collect()
}

/// Stops the tenants and demands that nothing is left of them in the whole machine.
pub fn assert_clean_end(machine: &Machine, tenants: &[Tenant]) {
    machine.must(&["systemctl", "stop", "vassal@*"]);
    let processes: Vec<Pid> = tenants
        .iter()
        .flat_map(|tenant| machine.unit_pids(&tenant.unit()))
        .collect();
    assert_eq!(processes, [], "{}", machine.state());
    machine.wait_for("end of the FUSE connections", LIMIT, || {
        let left = machine.fuse_connections();
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    });
}
