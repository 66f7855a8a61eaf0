//! What the administrator does by hand.

use vassal_tests::on_each_suite;

use crate::scene::{EMPEROR, LIMIT, SLEEPER, invocation, let_it_look, machine, path, put, unit, wait_on};

#[test]
fn a_stop_by_hand_lasts_until_the_file_changes_or_the_target_is_started() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        for name in ["a", "b"] {
            put(&machine, name, SLEEPER);
            wait_on(&machine, name);
        }
        machine.must(&["systemctl", "stop", &unit("a")]);
        let_it_look(&machine);
        assert_eq!(machine.unit(&unit("a"), "ActiveState"), "inactive", "{suite}");
        // A daemon-reload and another emperor know it, too.
        machine.must(&["systemctl", "daemon-reload"]);
        let pid: i32 = machine.unit(EMPEROR, "MainPID").parse().unwrap();
        machine.must(&["systemctl", "kill", "--signal=KILL", EMPEROR]);
        machine.wait_for("another emperor", LIMIT, || {
            let now = machine.unit(EMPEROR, "MainPID");
            let is_ready = machine.unit(EMPEROR, "ActiveState") == "active";
            if is_ready && now != pid.to_string() {
                Ok(())
            } else {
                Err(now)
            }
        });
        let_it_look(&machine);
        assert_eq!(machine.unit(&unit("a"), "ActiveState"), "inactive", "{suite}");
        machine.must(&["touch", &path("a")]);
        wait_on(&machine, "a");
        machine.must(&["systemctl", "stop", &unit("a")]);
        machine.must(&["systemctl", "stop", "vassals.target", "vassal.slice"]);
        assert_eq!(machine.unit(EMPEROR, "ActiveState"), "inactive", "{suite}");
        machine.must(&["systemctl", "start", "vassals.target"]);
        wait_on(&machine, "a");
        wait_on(&machine, "b");
    });
}

#[test]
fn a_mask_lasts_and_what_changes_meanwhile_comes_after_it() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.must(&["systemctl", "mask", &unit("new")]);
        put(&machine, "new", SLEEPER);
        put(&machine, "a", SLEEPER);
        wait_on(&machine, "a");
        machine.must(&["systemctl", "mask", "--now", &unit("a")]);
        put(&machine, "a", &format!("{SLEEPER}; changed\n"));
        let_it_look(&machine);
        for name in ["a", "new"] {
            assert_ne!(machine.unit(&unit(name), "ActiveState"), "active", "{suite}");
            assert_eq!(machine.unit(&unit(name), "LoadState"), "masked", "{suite}");
            machine.must(&["systemctl", "unmask", &unit(name)]);
        }
        machine.must(&["systemctl", "reload", EMPEROR]);
        wait_on(&machine, "a");
        wait_on(&machine, "new");
    });
}

#[test]
fn a_start_and_a_restart_by_hand_are_no_news() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        put(&machine, "a", SLEEPER);
        wait_on(&machine, "a");
        machine.must(&["systemctl", "restart", &unit("a")]);
        let before = invocation(&machine, "a");
        let_it_look(&machine);
        machine.must(&["systemctl", "restart", EMPEROR]);
        let_it_look(&machine);
        assert_eq!(invocation(&machine, "a"), before, "{suite}");
    });
}

#[test]
fn a_pass_by_hand_does_the_same_and_shows_it_before() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        put(&machine, "gone", SLEEPER);
        put(&machine, "changed", SLEEPER);
        wait_on(&machine, "gone");
        wait_on(&machine, "changed");
        let busy = machine.run(&["vassalctl", "sync"]);
        assert!(
            !busy.succeeded() && busy.stderr.contains("at work already"),
            "{suite}: {busy}"
        );
        assert_eq!(machine.must(&["vassalctl", "sync", "--dry-run"]), "", "{suite}");
        machine.must(&["systemctl", "stop", EMPEROR]);
        put(&machine, "new", SLEEPER);
        put(&machine, "changed", &format!("{SLEEPER}; changed\n"));
        machine.must(&["rm", &path("gone")]);
        let shown = machine.must(&["vassalctl", "sync", "--dry-run"]);
        assert_eq!(
            shown,
            "changed: reload, or restart where that does not do\ngone: stop: it has no file\nnew: start",
            "{suite}"
        );
        let before = invocation(&machine, "changed");
        machine.must(&["vassalctl", "sync"]);
        wait_on(&machine, "new");
        assert_ne!(invocation(&machine, "changed"), before, "{suite}");
        crate::scene::wait_gone(&machine, "gone");
        assert_eq!(machine.must(&["vassalctl", "sync"]), "", "{suite}");
    });
}
