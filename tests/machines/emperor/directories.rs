//! Directories: several, patterns, replaced, mounted over, there later.

use vassal_tests::{Machine, Owner, on_each_suite};

use crate::scene::{
    EMPEROR, LIMIT, SLEEPER, VASSALS, app, invocation, let_it_look, machine, path, put, running, unit,
    wait_gone, wait_on, wait_status, wait_version,
};

fn emperor(machine: &Machine, lines: &str) {
    machine.write(
        "/etc/vassal/emperor.ini",
        format!("[uwsgi]\n{lines}\n"),
        0o644,
        Owner::ROOT,
    );
}

#[test]
fn a_directory_that_is_replaced_stops_nothing_but_what_is_not_in_the_new_one() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        for name in ["same", "gone"] {
            put(&machine, name, SLEEPER);
            wait_on(&machine, name);
        }
        let before = invocation(&machine, "same");
        machine.must_sh(&format!(
            "cd /etc/uwsgi; mkdir next; cp -p vassals/same.ini next; cp vassals/same.ini next/new.ini; \
             mv vassals old; sleep 0.5; mv next {VASSALS}"
        ));
        wait_on(&machine, "new");
        wait_gone(&machine, "gone");
        assert_eq!(invocation(&machine, "same"), before, "{suite}");
        // The new one is the one that is watched.
        put(&machine, "later", SLEEPER);
        wait_on(&machine, "later");
        machine.must_sh(&format!("rm -r {VASSALS}"));
        for name in ["same", "new", "later"] {
            wait_gone(&machine, name);
        }
        machine.must_sh(&format!("mkdir {VASSALS}"));
        put(&machine, "again", SLEEPER);
        wait_on(&machine, "again");
    });
}

#[test]
fn directories_and_patterns_may_appear_later_and_be_mounted_over() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        emperor(
            &machine,
            "emperor = /etc/uwsgi/vassals\nemperor = /srv/later/deep\nemperor = /srv/*/conf/*.ini\nemperor-use-clone = fs,pid",
        );
        put(&machine, "a", SLEEPER);
        wait_on(&machine, "a");
        machine.must_sh(&format!(
            "mkdir -p /srv/later/deep; cp {} /srv/later/deep/b.ini",
            path("a")
        ));
        wait_on(&machine, "b");
        machine.must_sh(&format!(
            "mkdir -p /srv/x/conf; cp {} /srv/x/conf/c.ini",
            path("a")
        ));
        wait_on(&machine, "c");
        machine.must_sh("rm -r /srv/x");
        wait_gone(&machine, "c");
        // A filesystem that is mounted, and goes again.
        machine.must_sh(&format!(
            "mkdir /srv/disk; cp {} /srv/disk/d.ini; mount --bind /srv/disk /srv/later/deep",
            path("a")
        ));
        wait_on(&machine, "d");
        wait_gone(&machine, "b");
        // Its vassal has it as its directory.
        machine.must(&["umount", "--lazy", "/srv/later/deep"]);
        wait_on(&machine, "b");
        wait_gone(&machine, "d");
        // The first directory that has a name wins, and the next one takes over.
        machine.must_sh(&format!(
            "cp {} /srv/later/deep/a.ini; rm {}",
            path("a"),
            path("a")
        ));
        machine.wait_for("the other file", LIMIT, || {
            let text = machine
                .sh("cat /run/systemd/generator/vassal@a.service.d/*")
                .stdout;
            if text.contains("/srv/later/deep/a.ini") {
                Ok(())
            } else {
                Err(text)
            }
        });
        wait_on(&machine, "a");
    });
}

#[test]
fn an_emperors_file_that_is_wrong_or_gone_changes_nothing_until_it_is_mended() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        put(&machine, "a", SLEEPER);
        wait_on(&machine, "a");
        let good = machine.read_text("/etc/vassal/emperor.ini");
        let before = invocation(&machine, "a");
        for wrong in [
            "emperor = /etc/uwsgi/vassals\nemperor-tyrant = true",
            "",
            "emperor = pg://x",
        ] {
            emperor(&machine, wrong);
            wait_status(&machine, "all vassals stay as they are");
            machine.must(&["rm", "--force", &path("x")]);
            assert_eq!(running(&machine), ["vassal@a.service"], "{suite}: {wrong}");
            machine.write("/etc/vassal/emperor.ini", &good, 0o644, Owner::ROOT);
            wait_status(&machine, "as the files say");
        }
        machine.must(&["rm", "/etc/vassal/emperor.ini"]);
        wait_status(&machine, "it is not there");
        machine.must(&["systemctl", "restart", EMPEROR]);
        wait_status(&machine, "it is not there");
        machine.write("/etc/vassal/emperor.ini", &good, 0o644, Owner::ROOT);
        wait_status(&machine, "as the files say");
        let_it_look(&machine);
        assert_eq!(invocation(&machine, "a"), before, "{suite}");
    });
}

#[test]
fn a_vassal_that_is_started_or_reloaded_while_its_directory_is_replaced_finds_its_file() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        put(&machine, "a", &app(9301, "one"));
        wait_version(&machine, 9301, "one");
        let before = invocation(&machine, "a");
        let away = format!("mv {VASSALS} {VASSALS}.new");
        let back = format!("sleep 0.1; mv {VASSALS}.new {VASSALS}");
        machine.must_sh(&format!("{away}; systemctl kill --signal=KILL vassal@a; {back}"));
        machine.wait_for("a restart", LIMIT, || match invocation(&machine, "a") {
            now if now != before && !now.is_empty() => Ok(()),
            now => Err(now),
        });
        wait_version(&machine, 9301, "one");
        let text = app(9301, "two");
        machine.write(path("a"), &text, 0o644, Owner::ROOT);
        wait_version(&machine, 9301, "two");
        machine.must_sh(&format!("{away}; systemctl reload --no-block vassal@a; {back}"));
        let_it_look(&machine);
        machine.wait_for_unit(&unit("a"), "ActiveState", "active", LIMIT);
        let told = machine.must(&["journalctl", "--unit", &unit("a"), "--output=cat"]);
        assert!(!told.contains("there is no"), "{suite}: {told}");
    });
}
