//! What monitoring systems get: metrics and alert rules that Debian's promtool accepts, the timer for node_exporter, the check
//! of Nagios, and
//! the limits of all vassals.

use std::path::Path;

use serde_json::Value;
use vassal_tests::{Boot, Machine, Owner, Suite, fixtures, installed, on_each_suite, seed};

use crate::scene::{LIMIT, SLEEPER, listed, machine, vassal, wait_for_state};

/// A file of the repository's packaging.
fn packaged(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/monitoring");
    std::fs::read_to_string(path.join(name)).unwrap()
}

/// A machine with the scenario's first vassal and Debian's Prometheus, whose tool judges.
fn with_promtool(suite: Suite) -> Machine {
    let prometheus =
        vassal_tests::Layer::with_debian(suite, &["prometheus", "python3-prometheus-client"]).unwrap();
    let machine = Boot::of(suite)
        .layer(&prometheus)
        .layer(&installed(suite))
        .start()
        .unwrap();
    // Its port is the one of the scenario's vassal.
    machine.must(&["systemctl", "stop", "prometheus"]);
    fixtures::scenario(&machine);
    vassal(&machine, "user001", seed::ZIP_WATCHED);
    machine
}

#[test]
fn metrics_alert_rules_and_the_dashboard_are_what_prometheus_takes() {
    on_each_suite(|suite| {
        let machine = with_promtool(suite);
        vassal(
            &machine,
            "loser",
            &SLEEPER.replace("/usr/bin/sleep infinity", "/bin/false"),
        );
        vassal(&machine, "away", SLEEPER);
        machine.must(&["vassalctl", "start", "user001"]);
        machine.run(&["vassalctl", "start", "loser"]);
        machine.must(&["vassalctl", "maintenance", "away", "on"]);
        wait_for_state(&machine, "loser", "waiting");
        let metrics = machine.must_sh(
            "vassalctl metrics >/tmp/metrics; promtool check metrics </tmp/metrics 2>&1; cat /tmp/metrics",
        );
        for line in [
            r#"vassal_up{vassal="user001"} 1"#,
            r#"vassal_wanted{vassal="user001"} 1"#,
            r#"vassal_up{vassal="loser"} 0"#,
            r#"vassal_wanted{vassal="loser"} 1"#,
            r#"vassal_wanted{vassal="away"} 0"#,
            r#"vassal_state{vassal="loser",state="waiting"} 1"#,
            r#"vassal_mount_healthy{vassal="user001",mountpoint="/app",fstype="fuse.fuse-zip"} 1"#,
            r#"vassal_restarts_total{vassal="user001"} 0"#,
            "# TYPE vassal_cpu_seconds_total counter",
            "# EOF",
        ] {
            assert!(
                metrics.lines().any(|found| found == line),
                "{suite}: no '{line}' in\n{metrics}"
            );
        }
        assert!(metrics.ends_with("# EOF"), "{metrics}");
        // Prometheus's own library for Python is strict.
        let parse = "import sys; from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse; \
                     print([family.type for family in parse(sys.stdin.read()) if family.name == 'vassal_restarts'])";
        let parsed = machine.must_sh(&format!(
            "vassalctl metrics --openmetrics | python3 -c \"{parse}\""
        ));
        assert_eq!(parsed, "['counter']", "{suite}");

        for name in ["vassal.rules.yml", "vassal.rules.test.yml"] {
            machine.write(format!("/tmp/rules/{name}"), packaged(name), 0o644, Owner::ROOT);
        }
        machine.must_sh(
            "cd /tmp/rules; promtool check rules vassal.rules.yml; promtool test rules vassal.rules.test.yml",
        );
        machine.must(&[
            "cmp",
            "/tmp/rules/vassal.rules.yml",
            "/usr/share/vassal/vassal.rules.yml",
        ]);

        // Each query of the dashboard is one that Prometheus can parse, of metrics that there are.
        let dashboard: Value =
            serde_json::from_slice(&machine.read("/usr/share/vassal/vassal.dashboard.json")).unwrap();
        let queries = dashboard["panels"].as_array().unwrap().iter().flat_map(|panel| {
            assert!(
                panel["title"].is_string() && panel["gridPos"]["w"].is_u64(),
                "{panel}"
            );
            panel["targets"]
                .as_array()
                .unwrap()
                .iter()
                .map(|target| target["expr"].as_str().unwrap())
        });
        let rules: String = queries
            .enumerate()
            .map(|(number, query)| {
                let query = query.replace("$instance", ".*").replace("$vassal", ".*");
                format!("  - record: q{number}\n    expr: {}\n", Value::from(query))
            })
            .collect();
        let rules = format!("groups:\n- name: dashboard\n  rules:\n{rules}");
        machine.write("/tmp/rules/dashboard.yml", rules, 0o644, Owner::ROOT);
        machine.must(&["promtool", "check", "rules", "/tmp/rules/dashboard.yml"]);
        for text in [packaged("vassal.rules.yml"), packaged("vassal.dashboard.json")] {
            let names = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
            for name in names.filter(|name| name.starts_with("vassal_")) {
                assert!(
                    metrics.contains(&format!("# TYPE {name} ")),
                    "{suite}: there is no metric {name}"
                );
            }
        }
    });
}

#[test]
fn the_timer_writes_for_node_exporter_and_nagios_has_its_four_codes() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let check = |arguments: &[&str]| {
            let output = machine.run(&[&["/usr/lib/nagios/plugins/check_vassal"], arguments].concat());
            (output.status.code(), output.stdout)
        };
        assert_eq!(check(&["nosuch"]).0, Some(3));
        machine.must(&["vassalctl", "start", "user001"]);
        let (code, said) = check(&[]);
        assert_eq!(code, Some(0), "{said}");
        assert!(
            said.starts_with("VASSAL OK: 1 serving | lost=0 failed=0 "),
            "{said}"
        );
        vassal(&machine, "wrong", "[uwsgi]\nuid = no-such-user\n");
        machine.run(&["vassalctl", "start", "wrong"]);
        let (code, said) = check(&[]);
        assert_eq!(code, Some(2), "{said}");
        assert!(
            said.starts_with("VASSAL CRITICAL: 1 failed, 1 serving; wrong failed (wrong.ini:2: uid: "),
            "{said}"
        );
        assert_eq!(check(&["user*"]).0, Some(0));

        let directory = "/var/lib/prometheus/node-exporter";
        machine.make_dir(directory, 0o755, Owner::ROOT);
        assert_eq!(
            machine
                .run(&["systemctl", "is-enabled", "vassal-metrics.timer"])
                .stdout,
            "disabled\n"
        );
        machine.must(&["systemctl", "enable", "--now", "vassal-metrics.timer"]);
        let file = format!("{directory}/vassal.prom");
        machine.wait_for("metrics", LIMIT, || {
            let found = machine.sh(&format!("cat {file}"));
            let is_whole =
                found.stdout.contains("vassal_up{vassal=\"user001\"} 1") && found.stdout.ends_with("# EOF\n");
            if is_whole { Ok(()) } else { Err(found.to_string()) }
        });
        assert_eq!(
            machine.must_sh(&format!("stat -c '%a %U' {file}; ls -A {directory}")),
            "644 root\nvassal.prom",
            "{suite}"
        );
        assert_eq!(machine.unit("vassal-metrics.service", "Result"), "success");
        let missing = machine.run(&["vassalctl", "metrics", "--textfile", "/nosuch"]);
        assert_eq!(missing.status.code(), Some(1), "{missing}");
        assert_eq!(
            missing.stderr,
            "vassalctl: /nosuch/vassal.prom: No such file or directory (os error 2)\n"
        );
    });
}

#[test]
fn limits_for_all_vassals_are_a_file_to_copy_and_one_line_changes_one() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.must_sh(
            "install -D -m 644 -t /etc/systemd/system/vassal@.service.d /usr/share/vassal/10-limits.conf; systemctl daemon-reload",
        );
        vassal(&machine, "usual", SLEEPER);
        vassal(&machine, "large", &format!("{SLEEPER}[Service]\nMemoryMax=2G\n"));
        machine.must(&["vassalctl", "start", "usual", "large"]);
        let gib: u64 = 1 << 30;
        for (name, most) in [("usual", gib), ("large", 2 * gib)] {
            let unit = format!("vassal@{name}.service");
            assert_eq!(
                machine.unit(&unit, "MemoryMax"),
                most.to_string(),
                "{suite}: {name}"
            );
            assert_eq!(machine.unit(&unit, "TasksMax"), "256", "{suite}: {name}");
            assert_eq!(listed(&machine, name)["state"], "serving");
        }
        let analyzed = machine.must_sh(
            "systemd-analyze verify --man=no vassal@usual.service vassal-metrics.service vassal-metrics.timer 2>&1",
        );
        assert_eq!(analyzed, "", "{suite}");
    });
}
