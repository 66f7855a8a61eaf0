//! A vassal that keeps failing: tried for ever, later and later, at next to no cost, and each failure told in one line.

use std::fs;
use std::time::{Duration, Instant};

use vassal_tests::{Machine, seed};

use crate::LIMIT;
use crate::scene::{
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
        assert_eq!(machine.unit(UNIT, "ActiveState"), "activating");
    });
}

/// The record of attempts in systemd's FD store is a memfd; its first word is their number.
fn pretend_attempts(machine: &Machine, number: u32) {
    let memo = fs::read_dir(format!("/proc/{}/fd", machine.leader()))
        .unwrap()
        .flatten();
    let is_memo = |path: &std::path::PathBuf| {
        fs::read_link(path).is_ok_and(|name| name.to_string_lossy().contains("vassal-memo"))
    };
    let path = memo.map(|entry| entry.path()).find(is_memo).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &number.to_le_bytes(), 0).unwrap();
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
        // Through a pause that is longer than the limit.
        wait_for_status(&machine, "waiting 4 s before attempt 5; last: ");
        wait_for_status(&machine, "waiting 8 s before attempt 6; last: ");
        assert!(
            !machine.journal(UNIT).contains("timed out"),
            "{}",
            machine.journal(UNIT)
        );
        pretend_attempts(&machine, 1_000_000);
        wait_for_status(&machine, "waiting 180 s before attempt 1000001; last: ");
        assert_eq!(machine.unit(UNIT, "ActiveState"), "activating");
        // Whoever has mended it need not wait.
        drop_in(&machine, seed::ZIP);
        machine.must(&["systemctl", "restart", UNIT]);
        machine.poll_http(9090, "/", LIMIT);
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
            assert!(line.contains(end), "{line}");
        }
        // Beside these, a warning says how the daemon ended, which the verdict on its mountpoint does not.
        let mut causes = complaints(&machine, "warning");
        causes.retain(|line| !told.contains(line));
        let is_daemons =
            |line: &String| line.contains("fuse-zip (process ") && line.ends_with("was killed by SIGKILL");
        assert!(
            causes.len() == 1 && causes.iter().all(is_daemons),
            "{}",
            causes.join("\n")
        );
        let lines = told.len() + causes.len();
        // And one for each time that it serves again.
        assert_eq!(complaints(&machine, "notice").len() - before, lines + ends.len());
    });
}
