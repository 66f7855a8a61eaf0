//! One file: new, changed, touched, gone.

use vassal_tests::{Owner, on_each_suite, seed};

use crate::scene::{
    LIMIT, SLEEPER, VASSALS, app, invocation, left, let_it_look, machine, machine_with_archive, path, put,
    reloads, unit, wait_gone, wait_on, wait_version,
};

#[test]
fn a_dropped_file_serves_and_when_it_is_removed_nothing_is_left() {
    on_each_suite(|suite| {
        let machine = machine_with_archive(suite);
        let before = machine.fuse_connections();
        put(&machine, "user001", seed::ZIP_WATCHED);
        machine.poll_http(9090, "/live", LIMIT);
        assert_ne!(machine.fuse_connections(), before, "{suite}");
        machine.must(&["rm", &path("user001")]);
        wait_gone(&machine, "user001");
        assert_eq!(machine.fuse_connections(), before, "{suite}");
        assert_eq!(machine.pids("uwsgi"), [], "{suite}");
        let slices =
            machine.must_sh("systemctl list-units --no-legend --plain --state=active 'vassal-*.slice'");
        assert_eq!(slices, "", "{suite}");
        assert_eq!(machine.must_sh("ls /run/vassal"), "", "{suite}");
    });
}

#[test]
fn what_the_target_wanted_at_boot_and_what_has_failed_leaves_nothing_either() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        put(&machine, "a", SLEEPER);
        put(&machine, "bad", "[uwsgi]\nuid = nosuch\n");
        wait_on(&machine, "a");
        machine.wait_for_unit(&unit("bad"), "ActiveState", "failed", LIMIT);
        // From here on the target has both in its memory.
        machine.must(&["systemctl", "daemon-reload"]);
        machine.must(&["rm", &path("a"), &path("bad")]);
        wait_gone(&machine, "a");
        wait_gone(&machine, "bad");
        assert_eq!(
            machine.must_sh("systemctl --failed --no-legend --plain"),
            "",
            "{suite}"
        );
    });
}

#[test]
fn a_change_is_reloaded_and_what_a_reload_cannot_change_is_restarted() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        put(&machine, "a", &app(9090, "1"));
        wait_version(&machine, 9090, "1");
        let first = invocation(&machine, "a");
        put(&machine, "a", &app(9090, "2"));
        wait_version(&machine, 9090, "2");
        assert_eq!(invocation(&machine, "a"), first, "{suite}: a reload");
        let hook = app(9090, "3") + "hook-as-root = exec:touch /run/hooked\n";
        put(&machine, "a", &hook);
        wait_version(&machine, 9090, "3");
        machine.wait_for("the hook", LIMIT, || {
            let there = machine.sh("ls /run/hooked");
            if there.succeeded() { Ok(()) } else { Err(there) }
        });
        assert_ne!(invocation(&machine, "a"), first, "{suite}: a restart");
        // What is the unit's, too.
        put(&machine, "a", &(hook + "[Service]\nTasksMax=77\n"));
        machine.wait_for_unit(&unit("a"), "TasksMax", "77", LIMIT);
        machine.wait_for_unit(&unit("a"), "NeedDaemonReload", "no", LIMIT);
        wait_version(&machine, 9090, "3");
    });
}

#[test]
fn a_touch_is_a_reload_and_content_counts_whatever_its_date() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        put(&machine, "a", &app(9090, "1"));
        wait_version(&machine, 9090, "1");
        machine.must(&["touch", &path("a")]);
        machine.wait_for("reload", LIMIT, || match reloads(&machine, "a") {
            1 => Ok(()),
            count => Err(count),
        });
        machine.write("/etc/uwsgi/new", app(9090, "old"), 0o644, Owner::ROOT);
        machine.must(&["touch", "--date=2001-01-01", "/etc/uwsgi/new"]);
        machine.must(&["mv", "/etc/uwsgi/new", &path("a")]);
        wait_version(&machine, 9090, "old");
        // The same content with an older date is no change.
        let before = reloads(&machine, "a");
        machine.must(&["touch", "--date=2000-01-01", &path("a")]);
        let_it_look(&machine);
        assert_eq!(reloads(&machine, "a"), before, "{suite}");
    });
}

#[test]
fn only_files_of_vassals_are_vassals() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let script = format!(
            "cd {VASSALS}; printf '%s' '{SLEEPER}' >/etc/uwsgi/text; \
             for name in .a.ini .a.ini.swp a.ini~ '#a.ini#' a.ini.bak a.ini.dpkg-new 4913 a.conf A.INI .ini; \
             do cp /etc/uwsgi/text \"$name\"; done; ln -s user@host.1:2 '.#a.ini'; ln -s /nowhere b.ini; mkdir c.ini; mkfifo d.ini"
        );
        machine.must_sh(&script);
        let_it_look(&machine);
        assert_eq!(crate::scene::running(&machine), Vec::<String>::new(), "{suite}");
        for name in ["a", "b", "c", "d"] {
            assert_eq!(left(&machine, name), "", "{suite}");
        }
    });
}

#[test]
fn a_name_that_its_unit_escapes_comes_and_goes_like_any_other() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        for name in ["my app", "a-b", "50%"] {
            put(&machine, name, SLEEPER);
        }
        let units = [
            "vassal@my\\x20app.service",
            "vassal@a-b.service",
            "vassal@50\\x25.service",
        ];
        for unit in units {
            machine.wait_for_unit(unit, "ActiveState", "active", LIMIT);
        }
        machine.must_sh(&format!("rm {VASSALS}/*"));
        machine.wait_for("end of all", LIMIT, || {
            let left = machine.must_sh("systemctl list-units --all --no-legend --plain 'vassal@*'");
            if left.is_empty() { Ok(()) } else { Err(left) }
        });
    });
}
