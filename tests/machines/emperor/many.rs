//! Many at once, and none.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use vassal_tests::{Machine, Suite, on_each_suite};

use crate::scene::{EMPEROR, SLEEPER, VASSALS, let_it_look, machine};

/// How many are dropped at once.
const CROWD: usize = 200;
/// How long that may take on a busy machine.
const CROWD_LIMIT: Duration = Duration::from_secs(90);
/// How much of memory the emperor may have, in KiB.
const MEMORY: u64 = 15 * 1024;
/// How long nothing happens.
const IDLE: Duration = Duration::from_secs(10);

fn drop_crowd(machine: &Machine) {
    machine.must_sh(&format!(
        "mkdir /etc/uwsgi/crowd; printf '%s' '{SLEEPER}' >/etc/uwsgi/text; \
         for n in $(seq 1 {CROWD}); do cp /etc/uwsgi/text /etc/uwsgi/crowd/many$n.ini; done; mv /etc/uwsgi/crowd/* {VASSALS}"
    ));
}

/// How many files there are where memory counts.
const FILES: usize = 1000;

#[test]
fn a_thousand_files_take_little_of_the_emperors_memory_and_wake_it_never() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        // In maintenance they are looked after as others are, and none of them takes a process.
        machine.must_sh(&format!(
            "mkdir -p /etc/vassal/maintenance /etc/uwsgi/crowd; printf '%s' '{SLEEPER}' >/etc/uwsgi/text; \
             for n in $(seq 1 {FILES}); do : >/etc/vassal/maintenance/many$n; cp /etc/uwsgi/text /etc/uwsgi/crowd/many$n.ini; done; \
             mv /etc/uwsgi/crowd/* {VASSALS}"
        ));
        crate::scene::wait_status(&machine, &format!("{FILES} vassals, as the files say"));
        machine.must_sh(&format!(
            "for n in $(seq 7 7 {FILES}); do echo '; changed' >>{VASSALS}/many$n.ini; done"
        ));
        let_it_look(&machine);
        assert_small_and_asleep(&machine, suite);
    });
}

/// Demands that the emperor has needed little memory, and that nothing wakes it.
fn assert_small_and_asleep(machine: &Machine, suite: Suite) {
    let pid = machine.unit(EMPEROR, "MainPID");
    let memory = machine.must_sh(&format!("awk '/VmHWM/ {{ print $2 }}' /proc/{pid}/status"));
    println!("{suite}: the emperor had {memory} KiB at most");
    assert!(
        memory.trim().parse::<u64>().unwrap() <= MEMORY,
        "{suite}: {memory} KiB"
    );
    let awake = wakeups(machine);
    std::thread::sleep(IDLE);
    assert_eq!(wakeups(machine), awake, "{suite}: woken while nothing happened");
}

/// Each vassal's invocation.
fn invocations(machine: &Machine) -> BTreeMap<String, String> {
    let shown = machine.must_sh(
        "systemctl show --property=Id,InvocationID,ActiveState 'vassal@many*' | awk -v RS= '{ print $1, $2, $3 }'",
    );
    let entry = |line: &str| {
        let mut id = None;
        let mut rest = String::new();
        for word in line.split_whitespace() {
            match word.strip_prefix("Id=") {
                Some(found) => id = Some(found.to_owned()),
                None => rest += word,
            }
        }
        id.map(|id| (id, rest))
    };
    shown.lines().filter_map(entry).collect()
}

fn wait_active(machine: &Machine, count: usize) -> Duration {
    let begun = Instant::now();
    machine.wait_for(&format!("{count} active vassals"), CROWD_LIMIT, || {
        let list = "systemctl list-units --no-legend --plain --state=active 'vassal@many*' | wc -l";
        let seen: usize = machine.must_sh(list).trim().parse().unwrap();
        if seen == count { Ok(()) } else { Err(seen) }
    });
    begun.elapsed()
}

/// How often the emperor's threads have slept and been woken.
fn wakeups(machine: &Machine) -> u64 {
    let pid = machine.unit(EMPEROR, "MainPID");
    let sum =
        format!("cat /proc/{pid}/task/*/status | awk '/ctxt_switches/ {{ sum += $2 }} END {{ print sum }}'");
    machine.must_sh(&sum).trim().parse().unwrap()
}

#[test]
fn hundreds_dropped_changed_and_removed_at_once_are_those_and_no_others() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        drop_crowd(&machine);
        let took = wait_active(&machine, CROWD);
        println!("{suite}: {CROWD} dropped at once are active after {took:?}");
        let before = invocations(&machine);
        assert_eq!(before.len(), CROWD, "{suite}");
        machine.must_sh(&format!(
            "cd {VASSALS}; for n in $(seq 10 10 {CROWD}); do echo '; changed' >>many$n.ini; done"
        ));
        machine.wait_for("restarts", CROWD_LIMIT, || {
            let now = invocations(&machine);
            let changed = before
                .iter()
                .filter(|(id, old)| now.get(*id) != Some(*old))
                .count();
            if changed == CROWD / 10 {
                Ok(())
            } else {
                Err(changed)
            }
        });
        let_it_look(&machine);
        let now = invocations(&machine);
        for (id, old) in &before {
            let number: usize = id
                .trim_start_matches("vassal@many")
                .trim_end_matches(".service")
                .parse()
                .unwrap();
            assert_eq!(now.get(id) != Some(old), number % 10 == 0, "{suite}: {id}");
        }
        assert_small_and_asleep(&machine, suite);
        machine.must_sh(&format!("rm {VASSALS}/many*.ini"));
        machine.wait_for("the end of all", CROWD_LIMIT, || {
            let left = machine.must_sh("systemctl list-units --all --no-legend --plain 'vassal@many*' | wc -l; ls /run/systemd/generator | grep -c many || :");
            if left == "0\n0" { Ok(()) } else { Err(left) }
        });
    });
}
