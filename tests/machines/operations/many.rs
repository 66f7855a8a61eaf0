//! Many vassals at once: systemd's queue of notifications holds 512, and nothing that does not fit is lost.

use std::time::{Duration, Instant};

use vassal_tests::{Machine, Owner, Signal, Suite, installed, on_each_suite};

/// As many as fill systemd's queue several times over with what they say at a start.
const CROWD: usize = 400;
/// What a start of all of them may take on a busy machine; a vassal whose READY=1 is lost waits for 90 s.
const START_LIMIT: Duration = Duration::from_secs(80);
/// Each of them has to keep systemd's watchdog quiet several times in a standstill.
const SHORT_WATCHDOG: &str = "[Service]\nWatchdogSec=6s\n";
/// Longer than two whole watchdog intervals: every one of their clocks has run out when systemd goes on.
const STANDSTILL: Duration = Duration::from_secs(15);

/// A machine with the files of `count` vassals whose app only sleeps; none is started.
fn crowd(suite: Suite, count: usize) -> Machine {
    let machine = Machine::boot(suite, &[installed(suite)]);
    machine.make_dir("/etc/uwsgi/vassals", 0o755, Owner::ROOT);
    for number in 1..=count {
        machine.write(
            format!("/etc/uwsgi/vassals/many{number:04}.ini"),
            "[uwsgi]\nuid = nobody\ngid = nogroup\n[vassal]\ncommand = exec /usr/bin/sleep infinity\n",
            0o644,
            Owner::ROOT,
        );
    }
    machine
}

/// What is wrong with the units of the crowd: those that are not active and running, and those that were restarted.
fn not_well(machine: &Machine) -> String {
    machine.must_sh(
        "systemctl show --property=Id,ActiveState,SubState,NRestarts,Result 'vassal@many*' | \
         awk -v RS= '!/ActiveState=active/ || !/SubState=running/ || !/NRestarts=0/' | tr '\\n' ' '",
    )
}

fn active(machine: &Machine) -> usize {
    let list = "systemctl list-units --no-legend --state=running 'vassal@many*' | wc -l";
    machine.must_sh(list).trim().parse().unwrap_or(0)
}

#[test]
fn hundreds_that_start_at_once_are_all_heard_and_a_systemd_that_stands_still_kills_none() {
    on_each_suite(|suite| {
        let machine = crowd(suite, CROWD);
        machine.make_dir("/etc/systemd/system/vassal@.service.d", 0o755, Owner::ROOT);
        machine.write(
            "/etc/systemd/system/vassal@.service.d/short.conf",
            SHORT_WATCHDOG,
            0o644,
            Owner::ROOT,
        );
        machine.must(&["systemctl", "daemon-reload"]);
        let begun = Instant::now();
        machine.must(&["systemctl", "start", "vassals.target"]);
        assert!(begun.elapsed() < START_LIMIT, "{suite}: {:?}", begun.elapsed());
        assert_eq!(active(&machine), CROWD, "{suite}: {}", not_well(&machine));
        assert_eq!(not_well(&machine), "", "{suite}");

        assert!(machine.kill(machine.leader(), Signal::SIGSTOP));
        std::thread::sleep(STANDSTILL);
        assert!(machine.kill(machine.leader(), Signal::SIGCONT));
        // It has answered when it has read its queue, and looked at its clocks.
        machine.must(&["systemctl", "is-system-running", "--wait"]);
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(not_well(&machine), "", "{suite}");
        assert_eq!(active(&machine), CROWD, "{suite}");
        let killed =
            machine.must_sh("journalctl --sync; journalctl --no-pager | grep -c 'Watchdog timeout' || :");
        assert_eq!(killed.trim(), "0", "{suite}");
        machine.must(&["systemctl", "stop", "vassals.target"]);
    });
}
