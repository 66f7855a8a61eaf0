//! The table of mounts, which every user with fusermount makes as long as he likes and changes as often as he likes.

use std::time::{Duration, Instant};

use vassal_tests::{Machine, Owner, Pid, fixtures, on_each_suite};

use super::scene::{self, LIMIT, Vassal};

const VASSAL: Vassal = Vassal {
    name: "tenant",
    port: 9101,
};
const OPTIONS: &str = "exec-as-root = faultfs --owner 20001 /app\nmountpoint-check = /app\n";

/// Mounts 560 times, with 32 KiB in mountinfo each: paths of the greatest length, each byte of which is written as four.
const LONG: &str = r#"
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def mount(source, kind, flags):
    if libc.mount(source, b'.', kind, flags, None) != 0:
        raise OSError(ctypes.get_errno(), 'mount')
os.makedirs('/flood')
os.chdir('/flood')
mount(b'flood', b'tmpfs', 0)
os.chdir('/flood')
for _ in range(15):
    os.mkdir(' ' * 250)
    os.chdir(' ' * 250)
for number in range(560):
    name = str(number).rjust(250)
    os.mkdir(name)
    os.chdir(name)
    mount(b'.', None, 4096)
    os.chdir('..')
"#;

/// Mounts and unmounts 92 times a second, for ever.
const CHURN: &str = r"
import ctypes, os, time
libc = ctypes.CDLL(None)
os.makedirs('/churn', exist_ok=True)
while True:
    libc.mount(b'churn', b'/churn', b'tmpfs', 0, None)
    time.sleep(0.0054)
    libc.umount2(b'/churn', 0)
    time.sleep(0.0054)
";

/// The time on a processor that a process has had.
fn cpu(pid: Pid) -> Duration {
    let sched = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap();
    let nanos = sched.split(' ').next().and_then(|word| word.parse().ok());
    Duration::from_nanos(nanos.unwrap())
}

/// The most that a process has had in memory, in KiB.
fn peak(pid: Pid) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok())
        .unwrap()
}

/// The share of a core that a process takes for a while.
fn share(pid: Pid, time: Duration) -> f64 {
    let (begun, before) = (Instant::now(), cpu(pid));
    std::thread::sleep(time);
    (cpu(pid) - before).as_secs_f64() / begun.elapsed().as_secs_f64()
}

fn start_churn(machine: &Machine) {
    machine.write("/root/churn.py", CHURN, 0o644, Owner::ROOT);
    machine.must(&["systemd-run", "--unit=churn", "python3", "/root/churn.py"]);
}

#[test]
fn mounts_and_unmounts_of_others_cost_a_watchdog_next_to_nothing() {
    on_each_suite(|suite| {
        let machine = scene::machine(suite);
        fixtures::mountpoint(&machine, "/app", Owner::USER001);
        VASSAL.start(&machine, OPTIONS, "");
        let watchdog = VASSAL.watchdog(&machine);
        start_churn(&machine);
        let share = share(watchdog, Duration::from_secs(5));
        println!("{suite}: {:.2} % of a core", share * 100.0);
        assert!(share < 0.01, "{:.1} % of a core", share * 100.0);
        // An unmount of the vassal's own is told nevertheless.
        let begun = Instant::now();
        machine.run_inside(watchdog, &["umount", "--lazy", "/app"]);
        VASSAL.wait_for_verdict(&machine, "/app gone");
        println!("{suite}: gone is in the journal after {:?}", begun.elapsed());
        VASSAL.wait_restarted(&machine, 0);
    });
}

#[test]
fn a_table_of_twenty_megabytes_is_read_to_its_end_and_not_kept() {
    on_each_suite(|suite| {
        let machine = scene::machine(suite);
        fixtures::mountpoint(&machine, "/app", Owner::USER001);
        VASSAL.start(&machine, OPTIONS, "");
        let watchdog = VASSAL.watchdog(&machine);
        let before = peak(watchdog);
        machine.write("/root/long.py", LONG, 0o644, Owner::ROOT);
        machine.must(&["python3", "/root/long.py"]);
        let size = std::fs::read(format!("/proc/{watchdog}/mountinfo"))
            .unwrap()
            .len();
        assert!(size > 16 << 20, "{size} bytes only");
        // As often as it is looked at, at most.
        let share = std::thread::scope(|scope| {
            scope.spawn(|| {
                machine.must_sh("for i in 1 2 3 4; do mount -t tmpfs tmpfs /mnt; umount /mnt; sleep 1; done");
            });
            share(watchdog, Duration::from_secs(4))
        });
        let after = peak(watchdog);
        println!(
            "{suite}: {size} bytes; {:.2} % of a core; {before} KiB before, {after} after",
            share * 100.0
        );
        assert!(after < before + 512, "{before} KiB before, {after} KiB after");
        assert!(share < 0.3, "{:.1} % of a core", share * 100.0);
        // Its own mount is the last one of the table.
        machine.must_sh(&format!("systemctl restart {}", VASSAL.unit()));
        assert_eq!(machine.unit(&VASSAL.unit(), "ActiveState"), "active");
        machine.poll_http(VASSAL.port, "/", LIMIT);
        let watchdog = VASSAL.watchdog(&machine);
        let peak = peak(watchdog);
        assert!(
            peak < before + 1024,
            "{before} KiB before, {peak} KiB after the restart"
        );
    });
}
