//! The health record: what it says through a vassal's life, who may read it, and what is in the way of writing it.

use vassal_tests::{AS_USER001, Machine, Signal, on_each_suite, seed};

use crate::scene::{LIMIT, SLEEPER, machine, record, vassal};

const UNIT: &str = "vassal@user001.service";

#[test]
fn the_record_follows_a_vassal_and_anybody_may_read_it() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.must(&["systemctl", "start", UNIT]);
        let first = record(&machine, "user001");
        assert_eq!(first["schema"], 1, "{suite}: {first}");
        assert_eq!(
            (&first["state"], &first["health"], &first["restarts"]),
            (&"serving".into(), &"healthy".into(), &0.into()),
            "{first}"
        );
        let mount = &first["mounts"][0];
        assert_eq!(
            (&mount["path"], &mount["verdict"]),
            (&"/app".into(), &"healthy".into())
        );
        assert!(mount["answered_usec"].as_u64() > Some(0), "{mount}");
        assert_eq!(first["sockets"][0], "0.0.0.0:9090");
        assert_eq!(first["pid"].to_string(), machine.unit(UNIT, "MainPID"));
        assert_eq!(first["cgroup"], machine.unit(UNIT, "ControlGroup").as_str());
        // A monitoring user reads it, and can neither list what is beside it nor change anything.
        let as_user = |argv: &[&str]| machine.run(&[&AS_USER001[..], argv].concat());
        assert!(as_user(&["cat", "/run/vassal/health/user001.json"]).succeeded());
        for refused in [
            &["ls", "/run/vassal"][..],
            &["cat", "/run/vassal/user001.3"],
            &["touch", "/run/vassal/health/x"],
            &["rm", "-f", "/run/vassal/health/user001.json"],
        ] {
            assert!(!as_user(refused).succeeded(), "{suite}: {refused:?}");
        }

        assert!(machine.kill(machine.pids("fuse-zip")[0], Signal::SIGKILL));
        machine.wait_for("a restart in the record", LIMIT, || {
            let found = record(&machine, "user001");
            let is_back = found["state"] == "serving" && found["restarts"] == 1;
            if is_back { Ok(()) } else { Err(found.to_string()) }
        });
        assert_eq!(record(&machine, "user001")["cause"], "/app dead (ENOTCONN)");

        let loaded = record(&machine, "user001")["loaded_usec"].as_u64();
        machine.must(&["systemctl", "reload", UNIT]);
        machine.wait_for("the reload in the record", LIMIT, || {
            let found = record(&machine, "user001");
            let is_new = found["state"] == "serving" && found["loaded_usec"].as_u64() > loaded;
            if is_new { Ok(()) } else { Err(found.to_string()) }
        });
        machine.must(&["systemctl", "stop", UNIT]);
        assert_eq!(machine.must_sh("ls -A /run/vassal/health"), "", "{suite}");
    });
}

#[test]
fn a_start_that_fails_says_so_in_the_record_and_no_value_of_the_file() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let secret = seed::ZIP_WATCHED.replace("uid = user001", "uid = sesame-open\nenv = PASSWORD=xyzzy");
        vassal(&machine, "user001", &secret);
        assert!(!machine.run(&["systemctl", "start", UNIT]).succeeded());
        let failed = record(&machine, "user001");
        assert_eq!(
            (&failed["state"], &failed["health"]),
            (&"failed".into(), &"unhealthy".into())
        );
        let cause = failed["cause"].as_str().unwrap();
        assert!(cause.starts_with("user001.ini:3: uid:"), "{suite}: {cause}");
        let all = machine.must_sh("cat /run/vassal/health/*");
        assert!(!all.contains("sesame") && !all.contains("xyzzy"), "{all}");

        // One that fails again and again waits, and says for how long.
        vassal(
            &machine,
            "loser",
            &SLEEPER.replace("/usr/bin/sleep infinity", "/bin/false"),
        );
        machine.run(&["systemctl", "start", "vassal@loser"]);
        machine.wait_for("a wait in the record", LIMIT, || {
            let found = record(&machine, "loser");
            let waits = found["state"] == "waiting" && found["next_attempt_usec"].as_u64() > Some(0);
            if waits { Ok(()) } else { Err(found.to_string()) }
        });
        machine.must(&["systemctl", "stop", "vassal@loser"]);
        machine.wait_for("an end of the wait", LIMIT, || {
            let left = machine.must_sh("ls /run/vassal/health");
            if left == "user001.json" { Ok(()) } else { Err(left) }
        });
    });
}

/// Waits for two keep-alives, of which the second has begun after this was called.
fn wait_for_keep_alives(machine: &Machine, unit: &str) {
    for _ in 0..2 {
        let last = machine.unit(unit, "WatchdogTimestampMonotonic");
        machine.wait_for("a keep-alive", LIMIT, || {
            let now = machine.unit(unit, "WatchdogTimestampMonotonic");
            if now == last { Err(now) } else { Ok(()) }
        });
    }
}

#[test]
fn a_record_that_cannot_be_written_is_told_once_and_ends_nothing() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        vassal(&machine, "full", &format!("{SLEEPER}[Service]\nWatchdogSec=3s\n"));
        machine.must_sh(
            "mkdir -p /run/vassal/health; mount -t tmpfs -o size=64k,mode=0755 tmpfs /run/vassal/health",
        );
        machine.must_sh("head -c 65536 /dev/zero >/run/vassal/health/filler");
        machine.must(&["systemctl", "start", "vassal@full", UNIT]);
        machine.wait_for_journal("vassal@full.service", "cannot write the health record", LIMIT);
        // Vassalctl knows that it runs all the same.
        let found = crate::scene::listed(&machine, "user001");
        assert_eq!(
            (&found["state"], &found["marks"][0]),
            (&"serving".into(), &"no-record".into()),
            "{suite}"
        );
        // With room again the next keep-alive writes it, and a directory that has vanished does no harm either.
        machine.must(&["rm", "/run/vassal/health/filler"]);
        machine.wait_for("a record of its own", LIMIT, || {
            let found = machine.sh("cat /run/vassal/health/full.json");
            if found.succeeded() {
                Ok(())
            } else {
                Err(found.stderr)
            }
        });
        machine.must_sh("umount -l /run/vassal/health; rm -rf /run/vassal/health");
        wait_for_keep_alives(&machine, "vassal@full.service");
        for unit in ["vassal@full.service", UNIT] {
            assert_eq!(machine.unit(unit, "SubState"), "running", "{suite}");
            assert_eq!(machine.unit(unit, "NRestarts"), "0", "{suite}");
        }
        let told = machine.must_sh(
            "journalctl --sync; journalctl --no-pager -u vassal@full | grep -c 'cannot write the health record'",
        );
        // By the start, and by the watchdog.
        assert_eq!(told, "2", "{suite}");
        machine.must(&["systemctl", "restart", UNIT]);
        assert_eq!(record(&machine, "user001")["state"], "serving");
    });
}
