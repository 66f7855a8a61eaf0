//! A machine on which a healthy vassal serves, and what can be asked about another one.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::{Duration, Instant};

use vassal_tests::{Boot, FuseNode, Machine, Owner, Suite, fixtures, installed, seed};

use crate::LIMIT;
use crate::case::{Case, HEAD};
use crate::complaints::Complaints;

/// The vassal that nothing may disturb.
const HEALTHY: &str = "vassal@healthy.service";
const HEALTHY_PORT: u16 = 9090;
/// Where the others listen.
pub const PORT: u16 = 9091;
/// An empty directory of theirs.
const MOUNTPOINT: &str = "/mnt/two";
/// The vassals' directory.
pub const VASSALS: &str = "/etc/uwsgi/vassals";
/// Between two looks, as in the rig.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// The machine.
pub struct Scene {
    /// Itself.
    pub machine: Machine,
    healthy_pid: String,
}

impl Scene {
    /// Boots a machine where FUSE works and the healthy vassal is the tutorial's monitored one.
    pub fn boot(suite: Suite) -> Scene {
        Scene::start(suite, Boot::of(suite), seed::ZIP_WATCHED)
    }

    /// Boots one where users cannot mount; the healthy vassal does without.
    pub fn without_fuse(suite: Suite, node: FuseNode) -> Scene {
        Scene::start(
            suite,
            Boot::of(suite).fuse_node(node),
            &HEAD.replace(":9091", ":9090"),
        )
    }

    fn start(suite: Suite, boot: Boot, healthy: &str) -> Scene {
        let machine = match boot.layer(&installed(suite)).start() {
            Ok(machine) => machine,
            Err(failure) => panic!("{suite}: {failure}"),
        };
        fixtures::scenario(&machine);
        fixtures::mountpoint(&machine, MOUNTPOINT, Owner::USER002);
        machine.write("/srv/app/myapp.pl", fixtures::psgi_app("app"), 0o644, Owner::ROOT);
        machine.write("/srv/app/name", "app\n", 0o644, Owner::ROOT);
        machine.write(format!("{VASSALS}/healthy.ini"), healthy, 0o644, Owner::ROOT);
        machine.must(&["systemctl", "start", HEALTHY]);
        machine.poll_http(HEALTHY_PORT, "/live", LIMIT);
        let healthy_pid = machine.unit(HEALTHY, "MainPID");
        Scene { machine, healthy_pid }
    }

    /// Writes a case's file and makes its fault.
    pub fn prepare(&self, case: &Case) {
        if let Some(text) = case.text() {
            self.machine
                .write(format!("{VASSALS}/{}.ini", case.name), text, 0o644, Owner::ROOT);
        }
        self.script(case.prepare);
    }

    /// Runs a script of a case, in the vassals' directory.
    pub fn script(&self, script: &str) {
        if !script.is_empty() {
            self.machine.must_sh(&format!("cd {VASSALS}\n{script}"));
        }
    }

    /// Starts a unit and waits for the job; whether it was done.
    pub fn starts(&self, unit: &str) -> bool {
        self.machine.run(&["systemctl", "start", "--", unit]).succeeded()
    }

    /// All that matters of a unit.
    pub fn properties(&self, unit: &str) -> BTreeMap<String, String> {
        let names = "ActiveState,Result,NRestarts,ExecMainStatus,StatusText";
        let shown = self
            .machine
            .run(&["systemctl", "show", "--property", names, "--", unit])
            .stdout;
        let pairs = shown.lines().filter_map(|line| line.split_once('='));
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// What a unit's processes have written into the journal, down to a priority (3 is an error, 7 everything); systemd's own
    /// lines about the unit are not among them.
    pub fn lines(&self, unit: &str, priority: u8) -> Vec<String> {
        self.journal(unit, priority, "--output=cat")
    }

    /// When each of those lines was written, in seconds.
    pub fn moments(&self, unit: &str, priority: u8) -> Vec<f64> {
        let lines = self.journal(unit, priority, "--output=short-unix");
        let moment = |line: &String| line.split_whitespace().next().and_then(|word| word.parse().ok());
        lines.iter().filter_map(moment).collect()
    }

    fn journal(&self, unit: &str, priority: u8, output: &str) -> Vec<String> {
        let priority = format!("--priority={priority}");
        // A process that has ended before journald looks at it has to say itself which unit it was of.
        let (sender, object) = (
            format!("_SYSTEMD_UNIT={unit}"),
            format!("OBJECT_SYSTEMD_UNIT={unit}"),
        );
        let command = ["journalctl", "--quiet", output, &priority, &sender, "+", &object];
        self.machine.must(&["journalctl", "--sync"]);
        self.machine.must(&command).lines().map(str::to_owned).collect()
    }

    /// Looks until there is something to give, for as long as anything may take here.
    pub fn look<T>(&self, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        let begun = Instant::now();
        loop {
            let seen = look();
            if seen.is_some() || begun.elapsed() > LIMIT {
                return seen;
            }
            std::thread::sleep(LOOK_INTERVAL);
        }
    }

    /// The healthy vassal is still the same process, and still answers.
    pub fn is_undisturbed(&self, complaints: &mut Complaints) {
        let main = self.machine.unit(HEALTHY, "MainPID");
        complaints.equal("the healthy vassal's main process", &main, &self.healthy_pid);
        let answer = self.machine.http(HEALTHY_PORT, "/live");
        let seen = answer.map_or_else(|error| error.to_string(), |(status, _)| status.to_string());
        complaints.equal("the healthy vassal's answer", &seen, "200");
        complaints.equal("its NRestarts", &self.machine.unit(HEALTHY, "NRestarts"), "0");
    }

    /// Nothing runs, is mounted or listens for a unit any more.
    pub fn is_gone(&self, unit: &str, mounts: usize, complaints: &mut Complaints) {
        let script = r#"cat /proc/[0-9]*/cgroup 2>/dev/null | grep --count --fixed-strings -- "/$0""#;
        let left = self.machine.run(&["sh", "-c", script, unit]).stdout;
        complaints.equal("the number of processes that are left", left.trim_end(), "0");
        let now = self.machine.fuse_connections().len();
        complaints.expect(now == mounts, || {
            format!("there were {mounts} FUSE mounts, now there are {now}")
        });
        let open = self.machine.connect(PORT).is_ok();
        complaints.expect(!open, || format!("somebody listens on port {PORT}"));
    }
}

/// A property, or nothing.
pub fn property<'a>(properties: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    properties.get(name).map_or("", String::as_str)
}

/// Lines for a message.
pub fn shown(lines: &[impl Display]) -> String {
    lines.iter().map(|line| format!("\n    {line}")).collect()
}
