//! How files are changed: nothing of it stops a vassal, and the new content is in effect.

use vassal_tests::{Owner, on_each_suite};

use crate::scene::{LIMIT, VASSALS, app, invocation, machine, put, wait_version};

/// Ways from the file `new` to a changed `a.ini`, in its directory.
const WAYS: &[(&str, &str)] = &[
    ("renamed over", "cp new .tmp; mv .tmp a.ini"),
    ("written in place", "cat new >a.ini"),
    (
        "slowly written in place",
        "{ head -c 20 new; sleep 0.5; tail -c +21 new; } >a.ini",
    ),
    ("sed", "sed -i \"s/VERSION=.*/$(grep -o VERSION=.* new)/\" a.ini"),
    ("vim with a backup", "mv a.ini a.ini~; cp new a.ini; rm a.ini~"),
    (
        "vim, which tries the directory first",
        "touch 4913; rm 4913; mv a.ini a.ini~; cp new a.ini; rm a.ini~",
    ),
    (
        "rsync",
        "cp new .a.ini.Xa8D2f; touch .a.ini.Xa8D2f; mv .a.ini.Xa8D2f a.ini",
    ),
    (
        "ansible",
        "cp new .ansible_tmpx1a.ini; chmod 644 .ansible_tmpx1a.ini; mv .ansible_tmpx1a.ini a.ini",
    ),
    ("git", "rm a.ini; cp new a.ini"),
    ("install", "install -m 644 new a.ini"),
    ("a hard link", "cp new b; ln -f b a.ini; rm b"),
    (
        "a symbolic link",
        "mkdir -p /srv/conf; cp new /srv/conf/a.ini; ln -sf /srv/conf/a.ini .l; mv .l a.ini",
    ),
];

#[test]
fn every_way_to_change_a_file_is_a_reload_and_no_way_is_a_stop() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        put(&machine, "a", &app(9090, "first"));
        wait_version(&machine, 9090, "first");
        let first = invocation(&machine, "a");
        for (number, (way, script)) in WAYS.iter().enumerate() {
            let version = format!("v{number}");
            machine.write(format!("{VASSALS}/new"), app(9090, &version), 0o644, Owner::ROOT);
            machine.must_sh(&format!("cd {VASSALS}; {script}"));
            wait_version(&machine, 9090, &version);
            assert_eq!(invocation(&machine, "a"), first, "{suite}: {way}");
        }
    });
}

#[test]
fn a_file_is_not_started_before_it_is_complete() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.write("/etc/uwsgi/new", app(9090, "whole"), 0o644, Owner::ROOT);
        machine.must_sh(&format!(
            "cd {VASSALS}; {{ head -c 30 ../new; sleep 1; tail -c +31 ../new; }} >a.ini"
        ));
        wait_version(&machine, 9090, "whole");
        let journal = machine.journal("vassal@a.service");
        assert!(!journal.contains("Failed"), "{suite}: {journal}");
    });
}

/// Files that are written in two parts, of which the first names no user, while the emperor looks all the time.
const HALVES: &str = "\
    ( while kill -HUP $(systemctl show --property=MainPID --value vassal-emperor); do sleep 0.001; done ) & noise=$!
    for n in $(seq 1 60); do
        ( sleep 0.$(printf %02d $n); printf '[uwsgi]\nuid = nob'; sleep 0.2
          printf 'ody\ngid = nogroup\n[vassal]\ncommand = exec /usr/bin/sleep infinity\n' ) >half$n.ini & all=\"$all $!\"
    done
    wait $all; kill $noise";

#[test]
fn a_file_that_is_found_half_written_waits_for_the_news_of_it() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.must(&["bash", "-c", &format!("cd {VASSALS}; {HALVES}")]);
        for number in 1..=60 {
            crate::scene::wait_on(&machine, &format!("half{number}"));
        }
        machine.must(&["journalctl", "--sync"]);
        let failed = machine.must_sh("journalctl --quiet --grep='there is no user' | cat");
        assert_eq!(failed, "", "{suite}");
    });
}

#[test]
fn links_are_followed_to_their_end_and_with_nofollow_not_at_all() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        for (release, version) in [("one", "1"), ("two", "2")] {
            let path = format!("/srv/releases/{release}/conf/a.ini");
            machine.write(path, app(9090, version), 0o644, Owner::ROOT);
        }
        machine.must_sh(&format!(
            "cd /srv; ln -s releases/one current; ln -s /srv/current/conf/a.ini {VASSALS}/a.ini"
        ));
        wait_version(&machine, 9090, "1");
        // As a deployment does: a link on the way.
        machine.must_sh("cd /srv; ln -s releases/two next; mv -T next current");
        wait_version(&machine, 9090, "2");
        // The file at its end, replaced and in place.
        machine.must_sh("cd /srv/releases/two/conf; sed -i s/VERSION=2/VERSION=3/ a.ini");
        wait_version(&machine, 9090, "3");
        machine.write("/srv/releases/two/conf/a.ini", app(9090, "4"), 0o644, Owner::ROOT);
        wait_version(&machine, 9090, "4");
        machine.must_sh("echo 'emperor-nofollow = true' >>/etc/vassal/emperor.ini");
        crate::scene::let_it_look(&machine);
        machine.write("/srv/releases/two/conf/a.ini", app(9090, "5"), 0o644, Owner::ROOT);
        crate::scene::let_it_look(&machine);
        assert_eq!(machine.http(9090, "/").unwrap().1, b"4", "{suite}");
        machine.must(&["touch", "--no-dereference", &format!("{VASSALS}/a.ini")]);
        wait_version(&machine, 9090, "5");
        machine.must(&["rm", "/srv/releases/two/conf/a.ini"]);
        crate::scene::let_it_look(&machine);
        machine.poll_http(9090, "/", LIMIT);
    });
}
