//! One truth: the files', after a daemon-reload, after the emperor was stopped, after a change made meanwhile.

use vassal_tests::{Machine, Owner, on_each_suite};

use crate::scene::{
    EMPEROR, LIMIT, SLEEPER, app, invocation, machine, path, put, running, unit, wait_gone, wait_on,
    wait_version,
};

fn drop_ins(machine: &Machine) -> String {
    machine.must_sh("cd /run/systemd; find generator system transient -name '*vassal@*' -o -name 50-vassal.conf | sort; cat generator/vassal@*/*")
}

fn limited(tasks: u32) -> String {
    format!("{SLEEPER}[Service]\nTasksMax={tasks}\n")
}

#[test]
fn the_emperor_writes_what_the_generator_writes_where_the_generator_writes_it() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        for name in ["a", "my app", "b"] {
            put(&machine, name, &limited(50));
        }
        wait_on(&machine, "a");
        wait_on(&machine, "b");
        machine.wait_for_unit("vassal@my\\x20app.service", "ActiveState", "active", LIMIT);
        assert_eq!(
            machine.unit(&unit("a"), "TasksMax"),
            "50",
            "{suite}: without a daemon-reload"
        );
        let before = (drop_ins(&machine), invocation(&machine, "a"));
        machine.must(&["systemctl", "daemon-reload"]);
        assert_eq!((drop_ins(&machine), invocation(&machine, "a")), before, "{suite}");
        assert_eq!(machine.unit(&unit("a"), "NeedDaemonReload"), "no", "{suite}");
    });
}

#[test]
fn what_was_changed_while_the_emperor_was_stopped_wins_over_what_it_had_written() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        for name in ["changed", "gone", "same"] {
            put(&machine, name, &limited(50));
            wait_on(&machine, name);
        }
        let same = invocation(&machine, "same");
        machine.must(&["systemctl", "stop", EMPEROR]);
        put(&machine, "changed", &limited(60));
        put(&machine, "new", &limited(70));
        machine.must(&["rm", &path("gone")]);
        // The administrator does it without the emperor.
        machine.must(&["systemctl", "daemon-reload"]);
        assert_eq!(machine.unit(&unit("changed"), "TasksMax"), "60", "{suite}");
        machine.must(&["systemctl", "start", &unit("new")]);
        assert_eq!(machine.unit(&unit("new"), "TasksMax"), "70", "{suite}");
        let paths = machine.unit(&unit("changed"), "DropInPaths");
        assert_eq!(
            paths, "/run/systemd/generator/vassal@changed.service.d/50-vassal.conf",
            "{suite}"
        );
        let new = invocation(&machine, "new");
        machine.must(&["systemctl", "start", EMPEROR]);
        wait_gone(&machine, "gone");
        assert_eq!(
            (invocation(&machine, "same"), invocation(&machine, "new")),
            (same, new),
            "{suite}"
        );
        // Once more, without a daemon-reload by anybody.
        machine.must(&["systemctl", "stop", EMPEROR]);
        put(&machine, "changed", &limited(80));
        machine.must(&["rm", &path("new")]);
        machine.must(&["systemctl", "start", EMPEROR]);
        machine.wait_for_unit(&unit("changed"), "TasksMax", "80", LIMIT);
        wait_gone(&machine, "new");
        assert_eq!(
            running(&machine),
            ["vassal@changed.service", "vassal@same.service"],
            "{suite}"
        );
    });
}

/// What the generator says of a vassal whose file it cannot read is what the emperor has put into effect last.
#[test]
fn a_daemon_reload_that_cannot_read_a_directory_keeps_what_came_changed_and_went_since_the_last_one() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.must_sh("mkdir /etc/uwsgi/remote; fuse-zip /root/remote.zip /etc/uwsgi/remote");
        let emperor = machine.read_text("/etc/vassal/emperor.ini");
        let text = format!("{emperor}emperor = /etc/uwsgi/remote\n");
        machine.write("/etc/vassal/emperor.ini", text, 0o644, Owner::ROOT);
        let remote = |name: &str, tasks: u32| {
            machine.write("/root/new", limited(tasks), 0o644, Owner::ROOT);
            machine.must_sh(&format!("cp /root/new /etc/uwsgi/remote/{name}.ini"));
        };
        remote("changed", 50);
        remote("gone", 50);
        wait_on(&machine, "changed");
        wait_on(&machine, "gone");
        machine.must(&["systemctl", "daemon-reload"]);
        remote("new", 60);
        remote("changed", 70);
        wait_on(&machine, "new");
        machine.wait_for_unit(&unit("changed"), "TasksMax", "70", LIMIT);
        machine.must(&["rm", "/etc/uwsgi/remote/gone.ini"]);
        wait_gone(&machine, "gone");
        let before = ["new", "changed"].map(|name| invocation(&machine, name));
        machine.must_sh("pkill -9 fuse-zip; while ls /etc/uwsgi/remote 2>/dev/null; do sleep 0.1; done; systemctl daemon-reload");
        for (name, tasks) in [("new", "60"), ("changed", "70")] {
            assert_eq!(machine.unit(&unit(name), "TasksMax"), tasks, "{suite}: {name}");
        }
        assert_eq!(
            ["new", "changed"].map(|name| invocation(&machine, name)),
            before,
            "{suite}"
        );
        let wanted = machine.must(&["ls", "/run/systemd/generator/vassals.target.wants"]);
        assert_eq!(wanted, "vassal@changed.service\nvassal@new.service", "{suite}");
    });
}

#[test]
fn a_stopped_vassal_is_started_by_hand_with_what_its_file_says_now() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        put(&machine, "a", &limited(50));
        wait_on(&machine, "a");
        machine.must(&["systemctl", "stop", &unit("a")]);
        machine.must(&["systemctl", "stop", EMPEROR]);
        put(&machine, "a", &limited(60));
        machine.must(&["systemctl", "start", EMPEROR]);
        machine.wait_for_unit(&unit("a"), "TasksMax", "60", LIMIT);
        wait_on(&machine, "a");
    });
}

#[test]
fn a_link_that_was_put_in_a_files_place_is_newer_than_what_it_leads_to() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.write("/srv/two.ini", app(9311, "two"), 0o644, Owner::ROOT);
        put(&machine, "a", &app(9311, "one"));
        wait_version(&machine, 9311, "one");
        // Nothing is remembered: the unit's own clock says what is newer.
        machine.must_sh(&format!(
            "systemctl stop {EMPEROR}; rm --recursive /run/vassal/.emperor; ln -sf /srv/two.ini {}; systemctl start {EMPEROR}",
            path("a")
        ));
        wait_version(&machine, 9311, "two");
    });
}
