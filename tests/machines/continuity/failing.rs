//! A vassal that keeps failing: tried for ever, later and later, at next to no cost, and each failure told in one line.

use std::fs;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use vassal_tests::{Machine, seed};

use crate::LIMIT;
use crate::setup::scene::{
    UNIT, complaints, drop_in, kill, let_it_prove_itself, machine, on_each_suite, serving, uwsgi,
    wait_restarted,
};

/// Fails at its last hook, each time.
const HOPELESS: &str = "exec-as-user = echo the disk is away >&2; exit 3\n";

/// The processor time that the machine has used.
fn used(machine: &Machine) -> Duration {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mount = mounts.lines().find(|line| line.contains(" - cgroup2 "));
    let hierarchy = mount.and_then(|line| line.split(' ').nth(4)).unwrap();
    let cgroups = fs::read_to_string(format!("/proc/{}/cgroup", machine.leader())).unwrap();
    let of_leader = cgroups.lines().find_map(|line| line.strip_prefix("0::")).unwrap();
    // The leader is in `payload/init.scope` of the machine's own.
    let own = of_leader.rsplit_once("/payload/").unwrap().0;
    let stat = fs::read_to_string(format!("{hierarchy}{own}/cpu.stat")).unwrap();
    let used = stat.lines().find_map(|line| line.strip_prefix("usage_usec "));
    Duration::from_micros(used.unwrap().parse().unwrap())
}

fn wait_for_status(machine: &Machine, beginning: &str) {
    machine.wait_for(beginning, LIMIT, || {
        let status = machine.unit(UNIT, "StatusText");
        if status.starts_with(beginning) {
            Ok(())
        } else {
            Err(status)
        }
    });
}

#[test]
fn a_hopeless_vassal_costs_less_than_a_hundredth_of_a_core() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        drop_in(&machine, &format!("{}{HOPELESS}", seed::ZIP));
        assert!(!machine.run(&["systemctl", "start", UNIT]).succeeded());
        wait_for_status(&machine, "waiting 8 s before attempt 6; last: ");
        let (begun, before) = (Instant::now(), used(&machine));
        // One pause and one attempt, at which nobody looks, as looking costs more.
        std::thread::sleep(Duration::from_secs(9));
        let (time, cost) = (begun.elapsed(), used(&machine) - before);
        wait_for_status(&machine, "waiting 16 s before attempt 7; last: ");
        println!("{suite}: the machine used {cost:?} of {time:?}, with one attempt");
        assert!(
            cost < Duration::from_secs(180) / 100,
            "one attempt costs {cost:?}, every 180 s"
        );
        let told = complaints(&machine, "warning");
        assert_eq!(told.len(), 6, "{}", told.join("\n"));
        machine.wait_for_unit(UNIT, "ActiveState", "failed", LIMIT);
    });
}

/// A number in the record of restarts.
#[derive(Clone, Copy)]
enum Number {
    /// Of attempts since the last run that settled.
    Attempts = 0,
    /// Of milliseconds of service that restarts at once have cost and that were not paid back.
    Debt = 8,
}

impl Number {
    fn record(machine: &Machine) -> fs::File {
        let path = format!("/proc/{}/root/run/vassal/user001.3", machine.leader());
        fs::File::options().read(true).write(true).open(path).unwrap()
    }

    fn now(self, machine: &Machine) -> u32 {
        let mut bytes = [0; 4];
        let record = Number::record(machine);
        record.read_exact_at(&mut bytes, self as u64).unwrap();
        u32::from_le_bytes(bytes)
    }

    fn pretend(self, machine: &Machine, number: u32) {
        let record = Number::record(machine);
        record.write_all_at(&number.to_le_bytes(), self as u64).unwrap();
    }
}

#[test]
fn the_pause_grows_to_three_minutes_and_no_further_and_outlasts_the_units_time_limit() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.must_sh(
            "mkdir /etc/systemd/system/vassal@.service.d; \
             printf '[Service]\nTimeoutStartSec=1s\n' >/etc/systemd/system/vassal@.service.d/short.conf",
        );
        drop_in(&machine, &format!("{}{HOPELESS}", seed::ZIP));
        assert!(!machine.run(&["systemctl", "start", UNIT]).succeeded());
        // Through a pause of the unit's own that is longer than the limit.
        wait_for_status(&machine, "waiting 2 s before attempt 4; last: ");
        wait_for_status(&machine, "waiting 8 s before attempt 6; last: ");
        assert!(
            !machine.journal(UNIT).contains("timed out"),
            "{}",
            machine.journal(UNIT)
        );
        Number::Attempts.pretend(&machine, 1_000_000);
        wait_for_status(&machine, "waiting 180 s before attempt 1000002; last: ");
        machine.wait_for_unit(UNIT, "ActiveState", "failed", LIMIT);
        // Whoever has mended it need not wait.
        drop_in(&machine, seed::ZIP);
        machine.must(&["systemctl", "restart", UNIT]);
        machine.poll_http(9090, "/", LIMIT);
    });
}

/// What a hundred restarts at once cost, which nothing has paid back.
const WHOLE_BUDGET: u32 = 2_000_000;

#[test]
fn a_vassal_whose_mount_dies_again_and_again_waits_longer_and_longer_when_it_has_used_up_its_restarts_at_once()
 {
    on_each_suite(|suite| {
        let machine = serving(suite, seed::ZIP_WATCHED);
        Number::Debt.pretend(&machine, WHOLE_BUDGET);
        // The first restart after a run that settled, or after none, is always at once.
        let mut restarts = 1;
        die(&machine);
        wait_restarted(&machine, restarts);
        for status in ["waiting 1 s before attempt 3", "waiting 2 s before attempt 4"] {
            restarts += 1;
            die(&machine);
            wait_for_status(&machine, &format!("{status}; last: /app dead (ENOTCONN)"));
            wait_restarted(&machine, restarts);
        }
        Number::Attempts.pretend(&machine, 1_000_000);
        die(&machine);
        wait_for_status(
            &machine,
            "waiting 180 s before attempt 1000001; last: /app dead (ENOTCONN)",
        );
        machine.wait_for_unit(UNIT, "ActiveState", "failed", LIMIT);
        // Whoever has mended it need not wait, and it owes nothing.
        machine.must(&["systemctl", "restart", UNIT]);
        machine.poll_http(9090, "/", LIMIT);
        assert_eq!(Number::Debt.now(&machine), 0);
    });
}

#[test]
fn a_run_that_settles_makes_the_next_failure_a_first_one() {
    on_each_suite(|suite| {
        let machine = serving(suite, seed::ZIP_WATCHED);
        Number::Debt.pretend(&machine, WHOLE_BUDGET);
        Number::Attempts.pretend(&machine, 1_000_000);
        machine.wait_for("vassal that has settled", LIMIT, || {
            match Number::Attempts.now(&machine) {
                0 => Ok(()),
                number => Err(format!("{number} attempts")),
            }
        });
        kill(&machine, machine.pid_of(UNIT, "fuse-zip"));
        wait_restarted(&machine, 1);
        assert_eq!(Number::Attempts.now(&machine), 1);
        // The restart was paid for by what was served; no other was.
        let debt = Number::Debt.now(&machine);
        assert!((WHOLE_BUDGET - 20_000..=WHOLE_BUDGET).contains(&debt), "{debt}");
    });
}

/// Kills the daemon of a vassal that has proved itself.
fn die(machine: &Machine) {
    let_it_prove_itself();
    kill(machine, machine.pid_of(UNIT, "fuse-zip"));
}

/// How many restarts one look at the cost takes in.
const RESTARTS: u32 = 5;

#[test]
fn restarts_at_once_in_the_long_run_cost_less_than_a_hundredth_of_a_core() {
    on_each_suite(|suite| {
        let machine = serving(suite, seed::ZIP_WATCHED);
        let_it_prove_itself();
        let one = || {
            let daemon = machine.pid_of(UNIT, "fuse-zip");
            let before = used(&machine);
            kill(&machine, daemon);
            // Nobody looks meanwhile, as looking costs more.
            std::thread::sleep(Duration::from_secs(2));
            used(&machine) - before
        };
        let cost = (0..RESTARTS).map(|_| one()).sum::<Duration>() / RESTARTS;
        wait_restarted(&machine, RESTARTS as usize);
        println!("{suite}: the machine used {cost:?} for one restart and two seconds of service");
        // From the hundredth on, there is at most one in twenty seconds of service.
        assert!(cost < Duration::from_secs(20) / 100, "{cost:?}");
    });
}

#[test]
fn each_crash_of_an_app_that_served_is_told_in_one_line() {
    on_each_suite(|suite| {
        let machine = serving(suite, seed::ZIP_WATCHED);
        let before = complaints(&machine, "notice").len();
        let_it_prove_itself();
        kill(&machine, machine.pid_of(UNIT, "fuse-zip"));
        wait_restarted(&machine, 1);
        kill(&machine, uwsgi(&machine));
        wait_restarted(&machine, 2);
        let told = complaints(&machine, "err");
        let ends = [
            "mountpoint-check: /app dead (ENOTCONN)",
            "uwsgi was killed by SIGKILL",
        ];
        assert_eq!(told.len(), ends.len(), "{}", told.join("\n"));
        for (line, end) in told.iter().zip(ends) {
            // Nothing was written, so nothing is said to be lost.
            assert!(line.ends_with(end), "{line}");
        }
        // Beside these, a warning says how the daemon ended, which the verdict on its mountpoint does not; and one, for each time
        // that it serves again, why it did not.
        let mut causes = complaints(&machine, "warning");
        causes.retain(|line| !told.contains(line));
        let is_serving = |line: &String| line.contains(": serving; ");
        assert_eq!(causes.iter().filter(|line| is_serving(line)).count(), ends.len());
        causes.retain(|line| !is_serving(line));
        let is_daemons =
            |line: &String| line.contains("fuse-zip (process ") && line.ends_with("was killed by SIGKILL");
        assert!(
            causes.len() == 1 && causes.iter().all(is_daemons),
            "{}",
            causes.join("\n")
        );
        let lines = told.len() + causes.len();
        assert_eq!(complaints(&machine, "notice").len() - before, lines + ends.len());
    });
}
