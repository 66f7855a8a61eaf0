//! The verbs for one vassal: status, logs, enter, and those of systemctl by the names of vassals.

use vassal_tests::{AS_USER001, Boot, Output, Owner, installed, on_each_suite};

use crate::scene::{LIMIT, SLEEPER, VASSALS, listed, machine, vassal, wait_for_state};

/// An app that does not end when it is asked to.
const STUBBORN: &str = "trap '' TERM; while :; do sleep 1; done";

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

#[test]
fn a_vassal_is_told_of_on_one_screen_and_entered_as_its_user() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        assert_eq!(code(&machine.run(&["vassalctl", "status", "user001"])), Some(3));
        assert_eq!(code(&machine.run(&["vassalctl", "status", "nobody"])), Some(4));
        machine.must(&["usermod", "-aG", "games", "user001"]);
        machine.must(&["vassalctl", "start", "user001"]);
        let status = machine.must(&["vassalctl", "status", "user001"]);
        for said in [
            "user001 - serving, healthy",
            "Unit: vassal@user001.service",
            "Mount: /app healthy",
            "(fuse.fuse-zip)",
            "Sockets: 0.0.0.0:9090",
            " watchdog ",
            " app ",
            " daemon ",
            "fuse-zip -r /var/www/app001.zip /app",
            "user001: serving; /app healthy",
            "Last words:",
            "spawned uWSGI worker 1",
        ] {
            assert!(status.contains(said), "{suite}: no '{said}' in:\n{status}");
        }
        assert!(status.lines().count() <= 50, "{status}");
        // FUSE shows its files to their owner only, so this is the vassal's user in its mount namespace.
        let inside = machine.must(&[
            "vassalctl",
            "enter",
            "user001",
            "sh",
            "-c",
            "id -un; id -Gn; cat /app/name; grep NoNewPrivs /proc/self/status",
        ]);
        assert_eq!(
            inside, "user001\nuser001 games\napp001\nNoNewPrivs:\t1",
            "{suite}"
        );
        let root = machine.must(&[
            "vassalctl",
            "enter",
            "--as-root",
            "user001",
            "sh",
            "-c",
            "id -u; echo $$",
        ]);
        let (uid, pid) = root.split_once('\n').unwrap();
        assert!(uid == "0" && pid.parse::<u32>().unwrap() < 1000, "{root}");
        let logs = machine.must(&["vassalctl", "logs", "user001", "-n", "200"]);
        assert!(
            logs.contains("serving; /app healthy") && logs.contains("spawned uWSGI worker"),
            "{logs}"
        );
        machine.must(&["vassalctl", "stop", "user001"]);
        let stopped = machine.run(&["vassalctl", "enter", "user001"]);
        assert_eq!(code(&stopped), Some(1));
        assert!(stopped.stderr.contains("user001 is stopped"), "{stopped}");
    });
}

#[test]
fn who_enters_a_vassal_whose_app_has_ended_does_not_become_root_there_unasked() {
    const STOPS: &str = "[uwsgi]\nuid = user001\ngid = user001\nhook-as-user-atexit = exec:sleep 20\n[vassal]\ncommand = exec /usr/bin/tail -f /dev/null\n";
    on_each_suite(|suite| {
        let machine = machine(suite);
        vassal(&machine, "stops", STOPS);
        machine.must(&["systemctl", "start", "vassal@stops"]);
        machine.must(&["systemctl", "stop", "--no-block", "vassal@stops"]);
        machine.wait_for("the end of the app", LIMIT, || {
            match machine.pids_of("vassal@stops.service", "tail").as_slice() {
                [] => Ok(()),
                app => Err(format!("{app:?}")),
            }
        });
        let entered = machine.run(&["vassalctl", "enter", "stops", "id", "-u"]);
        assert_eq!(
            (code(&entered), entered.stdout.as_str()),
            (Some(1), ""),
            "{suite}"
        );
        assert!(
            entered.stderr.contains("enter --as-root stops"),
            "{suite}: {entered}"
        );
    });
}

#[test]
fn the_verbs_of_systemctl_take_names_as_people_write_them() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let names = ["web1", "web2", "my app"];
        for name in names {
            vassal(&machine, name, SLEEPER);
        }
        machine.must(&["vassalctl", "start", "web?", "my app"]);
        for name in names {
            assert_eq!(listed(&machine, name)["state"], "serving", "{suite}: {name}");
        }
        machine.must(&["vassalctl", "stop", "web1.ini", "vassal@web2.service"]);
        assert_eq!(listed(&machine, "web1")["state"], "stopped");
        assert_eq!(listed(&machine, "my app")["state"], "serving");
        machine.must(&["vassalctl", "mask", "web1"]);
        let refused = machine.run(&["vassalctl", "start", "web1"]);
        assert_eq!(code(&refused), Some(1), "{refused}");
        machine.must(&["vassalctl", "unmask", "web1"]);
        machine.must(&["vassalctl", "restart", "web*"]);
        assert_eq!(listed(&machine, "web1")["state"], "serving");
        // A file that systemd has not been told of, and one that is wrong.
        machine.write(
            "/etc/uwsgi/vassals/fresh.ini",
            format!("{SLEEPER}[Service]\nTasksMax=77\n"),
            0o644,
            Owner::ROOT,
        );
        machine.must(&["vassalctl", "start", "fresh"]);
        assert_eq!(machine.unit("vassal@fresh.service", "TasksMax"), "77", "{suite}");
        vassal(&machine, "wrong", "[uwsgi]\nuid = no-such-user\n");
        let wrong = machine.run(&["vassalctl", "start", "wrong"]);
        assert_eq!(code(&wrong), Some(1), "{wrong}");
        assert!(
            wrong
                .stderr
                .contains("\nvassalctl: wrong: failed: wrong.ini:2: there is no user 'no-such-user'"),
            "{wrong}"
        );
        let refused = machine.run(&["vassalctl", "reload", "web1", "web2"]);
        assert_eq!(code(&refused), Some(1), "{refused}");
        assert!(
            refused.stderr.contains(
                "\nvassalctl: web1: the app cannot be reloaded in place: [vassal] has no reload-signal"
            ),
            "{refused}"
        );
        let usage = machine.run(&["vassalctl", "start"]);
        assert_eq!(code(&usage), Some(2), "{usage}");
        // What takes longer than a second says how far it is.
        vassal(
            &machine,
            "slow",
            &format!(
                "{}stop-timeout = 3\n",
                SLEEPER.replace("exec /usr/bin/sleep infinity", STUBBORN)
            ),
        );
        machine.must(&["vassalctl", "start", "slow"]);
        let slow = machine.run(&["vassalctl", "stop", "slow"]);
        assert!(slow.stderr.contains("stop: waiting for 1 of 1"), "{slow}");
        wait_for_state(&machine, "slow", "stopped");
    });
}

#[test]
fn what_is_in_maintenance_stays_so_over_a_boot() {
    on_each_suite(|suite| {
        let vassal =
            |boot: Boot, name: &str| boot.file(format!("{VASSALS}/{name}.ini"), SLEEPER, 0o644, Owner::ROOT);
        let boot = ["away", "fine"].into_iter().fold(Boot::of(suite), vassal);
        let machine = boot
            .layer(&installed(suite))
            .file("/etc/vassal/maintenance/away", "", 0o644, Owner::ROOT)
            .start()
            .unwrap();
        wait_for_state(&machine, "fine", "serving");
        let away = listed(&machine, "away");
        assert_eq!(
            (&away["state"], &away["health"]),
            (&"maintenance".into(), &"off".into()),
            "{suite}"
        );
        assert_eq!(machine.unit("vassal@away.service", "ActiveState"), "inactive");
        let held = machine.run(&["vassalctl", "start", "away", "fine"]);
        assert_eq!(code(&held), Some(1), "{held}");
        assert_eq!(
            held.stderr,
            "vassalctl: away: not started, it is in maintenance (vassalctl maintenance away off)\n"
        );
        machine.must(&["vassalctl", "maintenance", "away", "off"]);
        assert_eq!(listed(&machine, "away")["state"], "serving", "{suite}");
    });
}

#[test]
fn the_list_is_shown_live_until_a_key_ends_it() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.must(&["vassalctl", "start", "user001"]);
        // The screen has been drawn when the first key is read.
        let script = "(sleep 2; printf 'mnf '; sleep 1; printf q) | \
                      env TERM=xterm script -qec 'stty rows 20 cols 120; vassalctl top -d 1' /dev/null";
        let shown = machine.must(&["sh", "-c", script]);
        for said in [
            "1 vassals: 1 serving, ",
            "CPU%",
            "user001",
            "/app healthy",
            "paused",
            "0 vassals: ",
        ] {
            assert!(shown.contains(said), "{suite}: no '{said}' in {shown:?}");
        }
        // The terminal is as it was.
        assert!(
            shown.trim_end().ends_with("\x1b[?25h\x1b[?1049l"),
            "{suite}: {shown:?}"
        );
        let refused = machine.run(&["vassalctl", "top"]);
        assert_eq!(code(&refused), Some(1), "{refused}");
        assert_eq!(code(&machine.run(&["vassalctl", "top", "-d", "0"])), Some(2));
    });
}

#[test]
fn what_is_long_is_paged_and_folded_for_those_who_read_and_not_for_programs() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let loser = SLEEPER.replace("/usr/bin/sleep infinity", "/bin/false");
        vassal(&machine, "loser", &loser);
        // Whether it has served for a moment is chance, and so is what is said of this start.
        machine.run(&["vassalctl", "start", "loser"]);
        wait_for_state(&machine, "loser", "waiting");
        let terminal = |columns: usize, command: &str| {
            let script = format!("stty rows 24 cols {columns}; {command}");
            let terminal = ["script", "-qec", &script, "/dev/null"];
            machine.must(
                &[
                    &["env", "TERM=xterm", "SYSTEMD_PAGER=sed s/^/P:/", "NO_COLOR=1"],
                    &terminal[..],
                ]
                .concat(),
            )
        };
        for verb in ["list", "status loser", "stats"] {
            let paged = terminal(100, &format!("vassalctl {verb} || :"));
            assert!(paged.starts_with("P:"), "{suite}: {verb}: {paged}");
            let whole = terminal(100, &format!("vassalctl {verb} --no-pager || :"));
            assert!(!whole.contains("P:"), "{suite}: {verb}: {whole}");
        }
        assert_eq!(
            code(&machine.run(&["vassalctl", "logs", "loser", "--no-pager"])),
            Some(0)
        );
        // On a narrow terminal the cause is cut, and the note behind it is seen.
        let width = |text: &str| text.lines().map(|line| line.trim_end().chars().count()).max();
        let narrow = terminal(90, "vassalctl list --no-pager");
        assert!(
            narrow.contains("...)") && narrow.contains("attempt ") && width(&narrow) <= Some(90),
            "{suite}: {narrow}"
        );
        // What the catalog says is folded.
        let status = terminal(80, "vassalctl status loser --no-pager || :");
        let explanation = status
            .lines()
            .filter(|line| line.starts_with(&" ".repeat(14)) && !line.contains(" loser: "));
        let explanation: Vec<_> = explanation.map(str::trim_end).collect();
        assert!(explanation.len() > 1, "{suite}: {status}");
        assert!(width(&explanation.join("\n")) <= Some(80), "{suite}: {status}");
    });
}

#[test]
fn a_user_is_told_that_the_journal_is_not_shown_and_that_only_root_may_do_it() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.must(&["vassalctl", "start", "user001"]);
        let user = |words: &[&str]| machine.run(&[&AS_USER001[..], &["vassalctl"], words].concat());
        let status = user(&["status", "user001"]);
        assert_eq!(code(&status), Some(0), "{suite}: {status}");
        assert!(
            status.stdout.contains("Journal: you may not read all of it"),
            "{suite}: {status}"
        );
        for words in [
            &["stop", "user001"][..],
            &["maintenance", "user001", "on"],
            &["disable", "user001"],
            &["sync"],
        ] {
            let refused = user(words);
            assert_eq!(code(&refused), Some(1), "{suite}: {words:?}: {refused}");
            assert!(
                refused
                    .stderr
                    .lines()
                    .last()
                    .is_some_and(|line| line.starts_with("vassalctl: ")),
                "{suite}: {words:?}: {refused}"
            );
        }
        assert_eq!(listed(&machine, "user001")["state"], "serving", "{suite}");
    });
}
