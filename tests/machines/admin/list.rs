//! `vassalctl list`: the state of each vassal, its marks, and how they are chosen, sorted and written.

use vassal_tests::{AS_USER001, Machine, Owner, Signal, on_each_suite};

use crate::scene::{LIMIT, SLEEPER, VASSALS, listed, machine, marks, vassal, wait_for_state};

fn names(machine: &Machine, arguments: &[&str]) -> Vec<String> {
    let list = machine.must(&[&["vassalctl", "list"], arguments].concat());
    let names = list.lines().filter_map(|line| line.split('\t').next());
    names.map(str::to_owned).collect()
}

#[test]
fn each_state_and_each_mark_of_a_vassal_is_in_the_list() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        for name in ["fine", "orphan", "changed", "halted", "masked", "away", "off"] {
            vassal(&machine, name, SLEEPER);
        }
        vassal(
            &machine,
            "loser",
            &SLEEPER.replace("/usr/bin/sleep infinity", "/bin/false"),
        );
        vassal(
            &machine,
            "wrong",
            &SLEEPER.replace("uid = user001", "uid = nobody-of-this-name"),
        );
        machine.must(&["vassalctl", "mask", "masked"]);
        machine.must(&["vassalctl", "maintenance", "away", "on"]);
        machine.must(&["vassalctl", "disable", "off"]);
        machine.must(&["systemctl", "start", "vassals.target"]);
        machine.must(&["vassalctl", "stop", "halted"]);
        machine.must_sh(&format!("rm {VASSALS}/orphan.ini; touch {VASSALS}/changed.ini"));
        machine.write(format!("{VASSALS}/new.ini"), SLEEPER, 0o644, Owner::ROOT);
        wait_for_state(&machine, "loser", "waiting");
        let expected = [
            ("user001", "serving", "healthy", &[][..]),
            ("fine", "serving", "healthy", &[]),
            ("orphan", "serving", "healthy", &["orphan"]),
            ("changed", "serving", "healthy", &["changed"]),
            ("halted", "stopped", "off", &["stopped"]),
            ("masked", "masked", "off", &["masked"]),
            ("away", "maintenance", "off", &["maintenance"]),
            ("off", "stopped", "off", &["disabled", "stopped"]),
            ("new", "stopped", "off", &["new"]),
            ("loser", "waiting", "unhealthy", &["waiting"]),
            ("wrong", "failed", "unhealthy", &[]),
        ];
        for (name, state, health, marked) in expected {
            // One that waits is tried again meanwhile.
            machine.wait_for(name, LIMIT, || {
                let found = listed(&machine, name);
                let seen = (found["state"].as_str(), found["health"].as_str());
                let is_expected =
                    seen == (Some(state), Some(health)) && found["marks"] == serde_json::Value::from(marked);
                if is_expected {
                    Ok(())
                } else {
                    Err(found.to_string())
                }
            });
        }
        // What does not run says since when.
        for name in ["masked", "away", "halted"] {
            let since = listed(&machine, name)["since_seconds"].as_f64();
            assert!(
                since.is_some_and(|since| since < 600.0),
                "{suite}: {name}: {since:?}"
            );
        }
        // A reload reads the file; another watchdog in the place of this one makes this one old.
        machine.must(&["vassalctl", "restart", "changed"]);
        assert!(marks(&machine, "changed").is_empty());
        machine.must_sh("cd /usr/lib/vassal; cp -p vassal-watchdog x; mv x vassal-watchdog");
        assert_eq!(marks(&machine, "fine"), ["old-binary"], "{suite}");

        assert_eq!(names(&machine, &["--failed"]), ["loser", "wrong"]);
        assert_eq!(
            names(&machine, &["--state=maintenance,masked"]),
            ["away", "masked"]
        );
        assert_eq!(
            names(&machine, &["o*", "vassal@fine.service"]),
            ["fine", "off", "orphan"]
        );
        assert_eq!(
            names(&machine, &["--sort=state", "?rong", "fine"]),
            ["wrong", "fine"]
        );
        let missing = machine.run(&["vassalctl", "list", "fime"]);
        assert_eq!(missing.status.code(), Some(1));
        assert_eq!(
            missing.stderr,
            "vassalctl: there is no vassal 'fime' (did you mean 'fine'?)\n"
        );
        // Whoever is not root sees the same, but for what root alone may know.
        let list = machine.must(&[&AS_USER001[..], &["vassalctl", "list"]].concat());
        assert_eq!(list.lines().count(), expected.len(), "{suite}: {list}");
        // A reboot of systemd's view changes nothing of what is out for maintenance.
        machine.must_sh("systemctl daemon-reload; systemctl start vassals.target vassal@away");
        assert_eq!(listed(&machine, "away")["state"], "maintenance");
        machine.must(&["vassalctl", "maintenance", "away", "off"]);
        assert_eq!(listed(&machine, "away")["state"], "serving");
        machine.must(&["vassalctl", "enable", "off"]);
        machine.must_sh("systemctl start vassals.target");
        assert_eq!(listed(&machine, "off")["state"], "serving");
    });
}

#[test]
fn a_list_says_what_was_restarted_why_and_what_is_used() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.must(&["vassalctl", "start", "user001"]);
        assert!(machine.kill(machine.pids("fuse-zip")[0], Signal::SIGKILL));
        machine.wait_for("a restart", LIMIT, || {
            let found = listed(&machine, "user001");
            let is_back = found["state"] == "serving" && found["restarts"] == 1;
            if is_back { Ok(()) } else { Err(found.to_string()) }
        });
        let found = listed(&machine, "user001");
        assert_eq!(found["cause"], "/app dead (ENOTCONN)", "{suite}");
        assert!(found["memory_bytes"].as_u64() > Some(1 << 20), "{found}");
        assert!(found["cpu_seconds"].as_f64() > Some(0.0), "{found}");
        assert!(found["tasks"].as_u64() >= Some(3), "{found}");
        assert!(found["mounts"][0]["age_seconds"].as_f64() < Some(60.0), "{found}");
        let line = machine.must(&["vassalctl", "list"]);
        let fields: Vec<_> = line.split('\t').collect();
        assert_eq!(fields[..2], ["user001", "serving"], "{line}");
        assert!(fields[2].starts_with("/app healthy "), "{line}");
        assert_eq!(fields[3], "1 (/app dead (ENOTCONN))", "{line}");
        assert_eq!(fields[6], "0.0.0.0:9090", "{line}");
        // On a terminal there are a header and colors, unless those are not wanted.
        let told = |variables: &str, options: &str| {
            let script = format!(
                "env -u SYSTEMD_COLORS TERM=xterm SYSTEMD_PAGER= {variables} script -qec 'vassalctl list {options}' /dev/null"
            );
            machine.must(&["sh", "-c", &script])
        };
        let terminal = |variables: &str| told(variables, "");
        let shown = terminal("A=b");
        assert!(
            shown.starts_with("NAME") && shown.contains("\x1b[32mserving\x1b[0m"),
            "{shown}"
        );
        for (variables, options) in [
            ("NO_COLOR=1", ""),
            ("SYSTEMD_COLORS=0", ""),
            ("CLICOLOR_FORCE=1", "--color=never"),
        ] {
            let shown = told(variables, options);
            assert!(shown.starts_with("NAME") && !shown.contains('\x1b'), "{shown}");
        }
        let shown = told("NO_COLOR=1", "--no-legend");
        assert!(shown.starts_with("user001  serving  "), "{suite}: {shown}");
        let shown = told("NO_COLOR=1", "--plain");
        assert!(shown.starts_with("user001\tserving\t"), "{suite}: {shown}");
        // Where there is no terminal colors are there when they are wanted.
        for (variable, option) in [("CLICOLOR_FORCE=1", "--full"), ("NO_COLOR=1", "--color=always")] {
            let colored = machine.must(&[
                "env",
                "-u",
                "SYSTEMD_COLORS",
                variable,
                "vassalctl",
                "list",
                option,
            ]);
            assert!(
                colored.starts_with("user001\t\x1b[32mserving\x1b[0m\t"),
                "{suite}: {colored}"
            );
        }
        // The same JSON on one line and on many.
        let json = |format| machine.must(&["vassalctl", "list", "-o", format]);
        let lines = ["json", "json-pretty"].map(|format| json(format).trim_end().lines().count());
        assert!(lines[0] == 1 && lines[1] > 20, "{suite}: {lines:?}");
        let values: [serde_json::Value; 2] =
            ["json", "json-pretty"].map(|format| serde_json::from_str(&json(format)).unwrap());
        assert_eq!(
            values[0]["vassals"][0]["unit"], values[1]["vassals"][0]["unit"],
            "{suite}"
        );
        // A log in journalctl's words.
        let log = machine.must(&["vassalctl", "logs", "user001", "-n", "1", "--output=json"]);
        assert!(log.starts_with("{\""), "{suite}: {log}");
    });
}
