//! A machine full of vassals, and what one asks of one of them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::fcntl::OFlag;
use vassal_tests::{Boot, Layer, Machine, Owner, Pid, Suite, installed};

use crate::LIMIT;
use crate::filesystem::Below;
use crate::setup::tenant::Tenant;
use crate::setup::unit::unit;

pub use vassal_tests::on_each_suite;

/// Between two looks; each is a process in a busy machine.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// What systemd may take to kill a unit after a verdict on a busy host: it takes milliseconds, but what something keeps alive
/// takes until a limit of many seconds is over.
const KILL: Duration = Duration::from_secs(5);

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
        assert_watchdog_is_apart(machine, tenant);
    }
}

/// Demands that a tenant's watchdog, which must never wait for a filesystem, has no descriptor, directory or program on FUSE;
/// a root that is FUSE itself is its directory, too.
fn assert_watchdog_is_apart(machine: &Machine, tenant: &Tenant) {
    let watchdog = machine.pids_of(&tenant.unit(), "vassal-watchdog")[0];
    let mounts = mounts(watchdog);
    let fuse: BTreeSet<&str> = mounts
        .lines()
        .filter(|line| line.contains(" - fuse.") && line.split(' ').nth(4) != Some("/"))
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(
        !fuse.is_empty() || tenant.daemon.is_kernels() || tenant.below == Below::Debian,
        "{}: {mounts}",
        tenant.name
    );
    let proc = PathBuf::from(format!("/proc/{watchdog}"));
    let entries = std::fs::read_dir(proc.join("fd")).unwrap().flatten();
    let descriptors = entries.map(|entry| entry.path());
    for path in descriptors.chain([proc.join("cwd"), proc.join("exe")]) {
        // One that was closed meanwhile is none.
        let Ok(file) = File::options()
            .read(true)
            .custom_flags(OFlag::O_PATH.bits())
            .open(&path)
        else {
            continue;
        };
        let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).unwrap();
        let mount = text.lines().find_map(|line| line.strip_prefix("mnt_id:"));
        let mount = mount.map(str::trim).unwrap();
        assert!(
            !fuse.contains(mount),
            "{}: {} is on FUSE: {mounts}",
            tenant.name,
            path.display()
        );
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

/// An entry of the journal, as it is exported.
struct Entry(String);

impl Entry {
    /// The entries that match, oldest first, with these fields.
    fn all(machine: &Machine, fields: &str, matches: &[&str]) -> Vec<Entry> {
        machine.must(&["journalctl", "--sync"]);
        let fields = format!("--output-fields={fields}");
        let show = ["journalctl", "--quiet", "--output=export", &fields];
        let export = machine.must(&[&show[..], matches].concat());
        let entries = export.split("\n\n").filter(|entry| !entry.is_empty());
        entries.map(|entry| Entry(entry.to_owned())).collect()
    }

    fn field(&self, name: &str) -> Option<String> {
        let mut lines = self.0.lines();
        let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        found.map(str::to_owned)
    }

    fn time(&self) -> Option<SystemTime> {
        let micros = self.field("__REALTIME_TIMESTAMP")?.parse().ok()?;
        Some(UNIX_EPOCH + Duration::from_micros(micros))
    }
}

/// The verdicts on a vassal's mountpoints, oldest first.
pub fn verdicts(machine: &Machine, vassal: &str) -> Vec<Verdict> {
    let fields = "VASSAL_VERDICT,VASSAL_MOUNTPOINT,MESSAGE";
    let entries = Entry::all(machine, fields, &[&format!("VASSAL={vassal}")]);
    let parse = |entry: &Entry| {
        Some(Verdict {
            word: entry.field("VASSAL_VERDICT")?,
            mountpoint: entry.field("VASSAL_MOUNTPOINT")?,
            message: entry.field("MESSAGE")?,
            time: entry.time()?,
        })
    };
    entries.iter().filter_map(parse).collect()
}

/// How long after a verdict systemd found that the tenant's unit has failed: by then it has killed the unit.
pub fn killed_after(machine: &Machine, tenant: &Tenant, verdict: &Verdict) -> Duration {
    let of_unit = format!("UNIT={}", tenant.unit());
    let entries = Entry::all(machine, "MESSAGE", &["_PID=1", &of_unit]);
    let is_failure = |entry: &&Entry| {
        let message = entry.field("MESSAGE");
        message.is_some_and(|message| message.contains("Failed with result"))
    };
    let times = entries.iter().filter(is_failure).filter_map(Entry::time);
    let after = times.filter_map(|time| time.duration_since(verdict.time).ok());
    match after.min() {
        Some(after) => after,
        None => panic!(
            "no failure after {verdict:?}\n{}",
            machine.journal(&tenant.unit())
        ),
    }
}

/// Demands that systemd has killed a unit soon after a verdict, by which nobody is left who waits for the filesystem; gives
/// the time that it took.
pub fn assert_killed(machine: &Machine, tenant: &Tenant, verdict: &Verdict) -> Duration {
    let took = killed_after(machine, tenant, verdict);
    assert!(
        took <= KILL,
        "{}: killed after {took:?}: {verdict:?}",
        tenant.name
    );
    took
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

    /// Demands one more verdict, one of these, and that nothing is left of what was there before; gives it.
    pub fn assert_over(&self, machine: &Machine, tenant: &Tenant, words: &[&str]) -> Verdict {
        let mut all = verdicts(machine, &tenant.name);
        let news = all.split_off(self.verdicts.min(all.len()));
        let told: Vec<&str> = news.iter().map(|verdict| verdict.word.as_str()).collect();
        assert!(
            words.iter().any(|word| told == [*word]),
            "{}: not one of {words:?}: {news:?}",
            tenant.name
        );
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
