//! What an administrator is told when something that vassalctl asks is wrong or silent itself.

use std::time::{Duration, Instant};

use vassal_tests::{AS_USER001, Machine, Owner, Signal, on_each_suite};

use crate::scene::{LIMIT, SLEEPER, VASSALS, listed, machine, marks, vassal, wait_for_state};

const EMPEROR: &str = "/etc/vassal/emperor.ini";

/// What the check of Nagios ends with, and says.
fn nagios(machine: &Machine, names: &[&str]) -> (Option<i32>, String) {
    let output = machine.run(&[&["vassalctl", "nagios"], names].concat());
    (output.status.code(), output.stdout)
}

#[test]
fn an_emperors_file_that_cannot_be_used_makes_no_vassal_an_orphan() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        vassal(&machine, "fine", SLEEPER);
        machine.must(&["vassalctl", "start", "fine"]);
        let emperor = machine.must(&["cat", EMPEROR]);
        let moved = format!("mv {VASSALS} {VASSALS}.away");
        let cases = [
            (
                format!("echo '[uwsg' >{EMPEROR}"),
                "the emperor's file is wrong (vassalctl check)",
            ),
            (
                format!("rm {EMPEROR}"),
                "there is no emperor's file /etc/vassal/emperor.ini",
            ),
            (moved.clone(), "there is no directory /etc/uwsgi/vassals"),
        ];
        for (step, told) in &cases {
            machine.must_sh(step);
            let list = machine.run(&["vassalctl", "list", "fine"]);
            assert!(list.stderr.contains(told), "{suite}: {step}: {list}");
            let found = listed(&machine, "fine");
            assert_eq!((&found["state"], &found["file"]), (&"serving".into(), &().into()));
            assert!(marks(&machine, "fine").is_empty(), "{suite}: {step}: {found}");
            let status = machine.must(&["vassalctl", "status", "fine"]);
            assert!(
                status.contains("File: not known\n") && !status.contains("vassalctl stop"),
                "{suite}: {step}: {status}"
            );
            let (code, said) = nagios(&machine, &["fine"]);
            assert_eq!(code, Some(1), "{suite}: {step}: {said}");
            assert!(said.contains(told), "{suite}: {step}: {said}");
            let start = machine.run(&["vassalctl", "start", "absent"]);
            assert!(start.stderr.contains(told), "{suite}: {step}: {start}");
            machine.sh(&format!("mv {VASSALS}.away {VASSALS}"));
            machine.write(EMPEROR, &emperor, 0o644, Owner::ROOT);
        }
        assert_eq!(nagios(&machine, &["fine"]).0, Some(0), "{suite}");
        machine.must_sh(&format!("rm {VASSALS}/fine.ini"));
        assert_eq!(marks(&machine, "fine"), ["orphan"], "{suite}");
    });
}

#[test]
fn a_systemd_that_stands_still_keeps_no_list_waiting() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        vassal(
            &machine,
            "loser",
            &SLEEPER.replace("/usr/bin/sleep infinity", "/bin/false"),
        );
        vassal(&machine, "fine", SLEEPER);
        machine.must(&["vassalctl", "start", "fine"]);
        machine.run(&["vassalctl", "start", "loser"]);
        // Its next attempt comes in a while.
        machine.wait_for("a long pause", LIMIT, || {
            let found = listed(&machine, "loser");
            let is_long = found["state"] == "waiting" && found["attempts"].as_u64() >= Some(7);
            if is_long { Ok(()) } else { Err(found.to_string()) }
        });
        assert!(machine.kill(machine.leader(), Signal::SIGSTOP));
        let begun = Instant::now();
        let list = machine.run(&["vassalctl", "list", "fine", "loser"]);
        let took = begun.elapsed();
        let (code, said) = nagios(&machine, &["fine"]);
        assert!(machine.kill(machine.leader(), Signal::SIGCONT));
        assert!(took < Duration::from_secs(20), "{suite}: {took:?}");
        assert!(list.stderr.contains("systemd does not answer"), "{suite}: {list}");
        assert!(
            list.stdout.contains("fine\tserving\t") && list.stdout.contains("loser\twaiting\t"),
            "{suite}: {list}"
        );
        assert_eq!(code, Some(1), "{suite}: {said}");
        wait_for_state(&machine, "fine", "serving");
    });
}

#[test]
fn a_program_gets_whole_causes_and_a_user_is_told_what_takes_root() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        vassal(
            &machine,
            "wrong",
            &SLEEPER.replace("uid = user001", "uid = no-such-user"),
        );
        vassal(&machine, "fine", SLEEPER);
        machine.must(&["vassalctl", "start", "fine"]);
        machine.run(&["vassalctl", "start", "wrong"]);
        let list = machine.must(&["vassalctl", "list", "wrong"]);
        assert!(
            list.contains("\t0 (wrong.ini:2: uid: it is wrong (the journal says why))\t"),
            "{suite}: {list}"
        );
        for (words, told) in [
            (
                &["enter", "fine", "id"][..],
                "vassalctl: only root may enter a vassal (sudo vassalctl enter fine)\n",
            ),
            (&["disable", "fine"], " (as root?)\n"),
            (&["maintenance", "fine", "on"], " (as root?)\n"),
        ] {
            let refused = machine.run(&[&AS_USER001[..], &["vassalctl"], words].concat());
            assert_eq!(refused.status.code(), Some(1), "{suite}: {words:?}: {refused}");
            assert!(refused.stderr.ends_with(told), "{suite}: {words:?}: {refused}");
        }
    });
}
