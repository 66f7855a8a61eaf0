//! Attacks on the health checks: probes that are stopped, killed or led elsewhere.
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and does not get ends it, with the reason"
)]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use vassal_tests::{Boot, Machine, Owner, Pid, Signal, Suite, fixtures, installed, on_each_suite};

/// The program that is both the daemon and the app of these vassals.
const FAULTFS: &str = env!("CARGO_BIN_EXE_faultfs");
/// How long anything may take in a busy machine.
const LIMIT: Duration = Duration::from_secs(30);
/// `mountpoint-deadline` of these vassals.
const DEADLINE: Duration = Duration::from_millis(1500);
/// How much later than the deadline a verdict may come.
const GRACE: Duration = Duration::from_secs(2);

/// A vassal whose app attacks its watchdog when it is asked to.
struct Tenant {
    name: &'static str,
    port: u16,
    /// Further options of the mount.
    options: &'static str,
    /// Further lines of `[vassal]`.
    settings: &'static str,
}

impl Tenant {
    fn new(name: &'static str, settings: &'static str) -> Tenant {
        Tenant {
            name,
            port: 9101,
            options: "",
            settings,
        }
    }

    fn unit(&self) -> String {
        format!("vassal@{}.service", self.name)
    }

    fn parent(&self) -> String {
        format!("/srv/{}/parent", self.name)
    }

    fn mountpoint(&self) -> String {
        format!("{}/app", self.parent())
    }

    fn furnish(&self, machine: &Machine) {
        let parent = self.parent();
        machine.make_dir(format!("/srv/{}", self.name), 0o755, Owner::USER001);
        machine.make_dir(&parent, 0o755, Owner::USER001);
        for directory in [format!("{parent}.other"), format!("{parent}.other/app")] {
            machine.make_dir(directory, 0o755, Owner::USER001);
        }
        fixtures::mountpoint(machine, self.mountpoint(), Owner::USER001);
        let (options, mountpoint, port) = (self.options, self.mountpoint(), self.port);
        let text = format!(
            "[uwsgi]\nuid = user001\ngid = user001\n\
             exec-as-root = if test -d {parent}.moved; then rm {parent} && mv {parent}.moved {parent}; fi\n\
             exec-as-root = faultfs {options} --owner 20001 {mountpoint}\n\
             mountpoint-check = {mountpoint}\n\
             [vassal]\ncommand = exec /usr/local/bin/faultfs-app --http {port}\nready = 127.0.0.1:{port}\n\
             mountpoint-deadline = 1500ms\n{}",
            self.settings
        );
        let file = format!("/etc/uwsgi/vassals/{}.ini", self.name);
        machine.write(file, text, 0o644, Owner::ROOT);
    }

    fn restarts(&self, machine: &Machine) -> u32 {
        machine.unit(&self.unit(), "NRestarts").parse().unwrap()
    }

    /// Has the app do something.
    fn order(&self, machine: &Machine, what: &str) {
        assert_eq!(machine.http(self.port, what).unwrap().0, 200, "{what}");
    }

    /// Sends a signal to the daemon, waits for one restart, after which it serves; the verdict and when it came.
    fn lose(&self, machine: &Machine, signal: Signal) -> (String, String, Duration) {
        let before = self.restarts(machine);
        let begun = SystemTime::now();
        assert!(machine.kill(machine.pid_of(&self.unit(), "faultfs"), signal));
        self.restarted(machine, before, begun)
    }

    /// Waits for one more restart, after which it serves; the verdict and how long after `begun` it came.
    fn restarted(&self, machine: &Machine, before: u32, begun: SystemTime) -> (String, String, Duration) {
        machine.wait_for("restart", LIMIT, || match self.restarts(machine) {
            restarts if restarts == before + 1 => Ok(()),
            restarts => Err(format!("{restarts} restarts\n{}", machine.journal(&self.unit()))),
        });
        machine.wait_for_unit(&self.unit(), "ActiveState", "active", LIMIT);
        machine.poll_http(self.port, &format!("/read?{}/ok", self.mountpoint()), LIMIT);
        let (word, message, time) = last_verdict(machine, self.name);
        (word, message, time.duration_since(begun).unwrap())
    }
}

/// VASSAL_VERDICT=, MESSAGE= and the time of a vassal's last verdict.
fn last_verdict(machine: &Machine, vassal: &str) -> (String, String, SystemTime) {
    machine.must(&["journalctl", "--sync"]);
    let show = [
        "journalctl",
        "--quiet",
        "--output=export",
        "--output-fields=VASSAL_VERDICT,MESSAGE",
    ];
    let wanted = format!("VASSAL={vassal}");
    let export = machine.must(&[&show[..], &[&wanted]].concat());
    let field = |entry: &str, name: &str| {
        let found = entry
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        found.map(str::to_owned)
    };
    let verdicts = export.split("\n\n").filter_map(|entry| {
        let micros = field(entry, "__REALTIME_TIMESTAMP")?.parse().ok()?;
        let time = UNIX_EPOCH + Duration::from_micros(micros);
        Some((field(entry, "VASSAL_VERDICT")?, field(entry, "MESSAGE")?, time))
    });
    verdicts.last().unwrap()
}

/// A machine in which these serve.
fn serving(suite: Suite, tenants: &[Tenant]) -> Machine {
    let machine = Boot::of(suite).layer(&installed(suite)).start().unwrap();
    let program = std::fs::read(FAULTFS).unwrap();
    machine.write("/usr/local/bin/faultfs", program, 0o755, Owner::ROOT);
    machine.must(&["ln", "/usr/local/bin/faultfs", "/usr/local/bin/faultfs-app"]);
    tenants.iter().for_each(|tenant| tenant.furnish(&machine));
    machine.must(&["systemctl", "daemon-reload"]);
    for tenant in tenants {
        let started = machine.run(&["systemctl", "start", &tenant.unit()]);
        assert!(started.succeeded(), "{}", machine.state());
    }
    machine
}

/// How many probes of a mountpoint a verdict counts.
fn count(message: &str) -> u32 {
    let (_, rest) = message.split_once("of ").unwrap_or_default();
    let number = rest.split(' ').next().unwrap_or_default();
    number.parse().unwrap_or_else(|_| panic!("no count: {message}"))
}

#[test]
fn a_tenant_who_kills_each_probe_of_his_hung_daemon_is_restarted_at_the_deadline() {
    on_each_suite(|suite| {
        let tenant = Tenant::new("killed", "");
        let machine = serving(suite, std::slice::from_ref(&tenant));
        tenant.order(&machine, "/kill");
        let (word, message, took) = tenant.lose(&machine, Signal::SIGSTOP);
        println!("{suite}: {word} after {took:?}: {message}");
        assert_eq!(word, "disturbed", "{message}");
        assert!(
            (DEADLINE..=DEADLINE + GRACE).contains(&took),
            "{took:?}: {message}"
        );
        // Eight at once, and four a second.
        assert!((2..=8 + 4 * 4).contains(&count(&message)), "{message}");
        let told = format!("a probe of {} was killed by a signal", tenant.mountpoint());
        let journal = machine.journal(&tenant.unit());
        assert_eq!(journal.matches(&told).count(), 1, "{journal}");
    });
}

#[test]
fn a_probe_that_a_tenant_has_stopped_hides_no_dead_daemon() {
    on_each_suite(|suite| {
        let tenant = Tenant::new("stopped", "mountpoint-interval = 100ms\n");
        let machine = serving(suite, std::slice::from_ref(&tenant));
        tenant.order(&machine, "/stop");
        let is_stopped = |pid: &Pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.contains(") T ")
        };
        machine.wait_for("stopped probe", LIMIT, || {
            let probes = machine.pids_of(&tenant.unit(), "vassal-watchdog");
            match probes.iter().any(is_stopped) {
                true => Ok(()),
                false => Err(format!("{probes:?}")),
            }
        });
        let (word, message, took) = tenant.lose(&machine, Signal::SIGKILL);
        println!("{suite}: {word} after {took:?}: {message}");
        assert!(["dead", "disturbed"].contains(&word.as_str()), "{message}");
        assert!(took <= DEADLINE + GRACE, "{took:?}: {message}");
        let told = format!("a probe of {} was stopped by a signal", tenant.mountpoint());
        machine.wait_for_journal(&tenant.unit(), &told, LIMIT);
    });
}

#[test]
fn a_mount_that_root_may_ask_is_dead_at_once_whatever_the_tenant_does_to_probes() {
    on_each_suite(|suite| {
        let tenant = Tenant {
            options: "--allow-other",
            ..Tenant::new("forall", "")
        };
        let machine = serving(suite, std::slice::from_ref(&tenant));
        tenant.order(&machine, "/kill");
        let (word, message, took) = tenant.lose(&machine, Signal::SIGKILL);
        println!("{suite}: {word} after {took:?}: {message}");
        assert_eq!(word, "dead", "{message}");
        assert!(took < GRACE, "{took:?}: {message}");
    });
}

#[test]
fn a_dead_daemon_is_told_although_a_link_leads_its_path_to_a_healthy_directory() {
    on_each_suite(|suite| {
        let tenant = Tenant::new("renamed", "");
        let machine = serving(suite, std::slice::from_ref(&tenant));
        let daemon = machine.pid_of(&tenant.unit(), "faultfs");
        let (before, begun) = (tenant.restarts(&machine), SystemTime::now());
        tenant.order(&machine, &format!("/replace?{}", tenant.parent()));
        // A probe may have been due just then, and have told already; with this end one is.
        machine.kill(daemon, Signal::SIGKILL);
        let (word, message, took) = tenant.restarted(&machine, before, begun);
        println!("{suite}: {word} after {took:?}: {message}");
        assert_eq!(word, "moved", "{message}");
        assert!(took < GRACE, "{took:?}: {message}");
    });
}

#[test]
fn however_often_processes_of_a_tenant_stop_there_are_few_probes() {
    const TIME: Duration = Duration::from_secs(5);
    on_each_suite(|suite| {
        let tenant = Tenant::new("orphans", "");
        let machine = serving(suite, std::slice::from_ref(&tenant));
        let app = machine.pid_of(&tenant.unit(), "faultfs-app");
        let last = || -> u32 {
            let text = machine.run_inside(app, &["cat", "/proc/sys/kernel/ns_last_pid"]);
            text.stdout.trim().parse().unwrap()
        };
        tenant.order(&machine, "/orphan");
        let (before, begun) = (last(), Instant::now());
        std::thread::sleep(TIME);
        let (made, time) = (last() - before, begun.elapsed().as_secs() as u32);
        println!("{suite}: {made} processes in {time} s");
        // Those that look at the number are among them.
        assert!(made <= 8 + 4 * (time + 1) + 8, "{made}");
        assert_eq!(tenant.restarts(&machine), 0, "{}", machine.state());
    });
}
