//! Limits that were met: counted over all runs of a vassal, with the time of the last hit.

use serde_json::Value;
use vassal_tests::{Machine, Owner, Signal, on_each_suite};

use crate::scene::{LIMIT, SLEEPER, listed, machine, record, vassal};

const UNIT: &str = "vassal@tight.service";
const COUNTERS: &str = "/tmp/cpu.stat";

/// Has the kernel's file say how often `CPUQuota=` was used up: a machine's own control groups need not have the controller.
fn throttled(machine: &Machine, times: u32) {
    let text = format!("usage_usec 500000\nnr_periods 90\nnr_throttled {times}\nthrottled_usec 7000\n");
    // In its place: it is mounted.
    machine.write("/tmp/next", text, 0o644, Owner::ROOT);
    machine.must_sh(&format!("cat /tmp/next >{COUNTERS}"));
}

#[test]
fn hits_of_limits_outlive_the_run_that_met_them_and_say_when() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        vassal(
            &machine,
            "tight",
            &format!("{SLEEPER}[Service]\nWatchdogSec=3s\n"),
        );
        machine.must(&["vassalctl", "start", "tight"]);
        assert_eq!(
            record(&machine, "tight")["limits"],
            Value::from(Vec::<Value>::new()),
            "{suite}"
        );
        throttled(&machine, 3);
        let place = format!("/sys/fs/cgroup{}/cpu.stat", machine.unit(UNIT, "ControlGroup"));
        machine.must(&["mount", "--bind", COUNTERS, &place]);
        // With the next keep-alive.
        machine.wait_for("hits in the record", LIMIT, || {
            let found = record(&machine, "tight");
            let met = &found["limits"][0];
            let is_known = met["limit"] == "cpu" && met["hits"] == 3 && met["last_usec"].as_u64() > Some(0);
            if is_known { Ok(()) } else { Err(found.to_string()) }
        });
        let list = machine.must(&["vassalctl", "list", "tight"]);
        assert!(
            list.contains("CPUQuota= 3x ") && list.contains(" ago"),
            "{suite}: {list}"
        );

        // The last ones come with the end of the run, whose control group goes with it.
        throttled(&machine, 5);
        assert!(machine.kill(machine.pids("sleep")[0], Signal::SIGKILL));
        machine.wait_for("a restart", LIMIT, || {
            let found = listed(&machine, "tight");
            let is_back = found["state"] == "serving" && found["restarts"] == 1;
            if is_back { Ok(()) } else { Err(found.to_string()) }
        });
        machine.sh(&format!("umount -l {place}"));
        let found = listed(&machine, "tight");
        assert_eq!(found["hits"]["cpu_throttled"], 5, "{suite}: {found}");
        assert!(
            found["hits"]["last"]["cpu_throttled"].is_string(),
            "{suite}: {found}"
        );
        let metrics = machine.must(&["vassalctl", "metrics"]);
        for line in [
            r#"vassal_limit_hits_total{vassal="tight",limit="cpu"} 5"#,
            r#"vassal_limit_last_hit_timestamp_seconds{vassal="tight",limit="cpu"} "#,
        ] {
            assert!(
                metrics.lines().any(|found| found.starts_with(line)),
                "{suite}: no '{line}' in\n{metrics}"
            );
        }
        let status = machine.must(&["vassalctl", "status", "tight"]);
        assert!(status.contains("Limits met: CPUQuota= 5x "), "{suite}: {status}");
        // They are counted since the vassal was started.
        machine.must_sh("vassalctl stop tight; vassalctl start tight");
        assert_ne!(listed(&machine, "tight")["hits"]["cpu_throttled"], 5, "{suite}");
    });
}
