//! What a tenant fills up or holds while its vassal ends: descriptors, processes, time.

use std::time::{Duration, Instant};

use vassal_tests::{Machine, Owner, Pid, Scarce, Signal, Tight, fixtures, on_each_suite};

use super::scene::{self, LIMIT, Vassal, mount_on_host};

const ONE: Vassal = Vassal {
    name: "one",
    port: 9101,
};
const MOUNT: &str = "exec-as-root = faultfs --owner 20001 /mz\nmountpoint-check = /mz\n";

/// Starts a vassal of these lines whose app is this program; `settings` are further lines of `[vassal]`.
fn start(machine: &Machine, options: &str, program: &str, settings: &str) {
    fixtures::mountpoint(machine, "/mz", Owner::USER001);
    machine.make_dir("/srv/seen", 0o777, Owner::ROOT);
    machine.write("/srv/app", program, 0o755, Owner::USER001);
    let text = format!("[uwsgi]\nuid = user001\ngid = user001\n{options}[vassal]\n{settings}");
    machine.write("/etc/uwsgi/vassals/one.ini", text, 0o644, Owner::ROOT);
    machine.must(&["systemctl", "daemon-reload"]);
    machine.must(&["systemctl", "start", "--no-block", &ONE.unit()]);
}

fn wait_active(machine: &Machine) {
    machine.wait_for_unit(&ONE.unit(), "ActiveState", "active", LIMIT);
}

#[test]
fn an_app_with_more_connections_than_its_watchdog_may_have_files_open_is_left_behind_like_any_other() {
    // Its client has a group of its own; what reads is one that no signal ends.
    const APP: &str = "#!/usr/bin/perl\nuse Socket; close STDOUT; close STDERR; my @all; socket(my $l, AF_INET, SOCK_STREAM, 0); \
        setsockopt($l, SOL_SOCKET, SO_REUSEADDR, 1);\n\
        my $at = sockaddr_in(9101, INADDR_LOOPBACK); bind($l, $at) or die; listen($l, 4000);\n\
        if (!fork) { setpgrp; for (1..1500) { socket(my $c, AF_INET, SOCK_STREAM, 0); connect($c, $at) or die; push @all, $c }\n\
        sleep 1000 }\n\
        for (1..1500) { accept(my $s, $l) or die \"$_: $!\"; push @all, $s }\n\
        if (!fork) { open(my $h, '<', '/hz/hang') or die; sysread($h, my $x, 1) } sleep 1000;\n";
    on_each_suite(|suite| {
        let machine = scene::machine(suite);
        mount_on_host(&machine, "/hz", 0);
        let settings = "command = ulimit -n 8192; exec /srv/app\nmountpoint-deadline = 1500ms\n";
        start(&machine, "mountpoint-check = /hz\n", APP, settings);
        ONE.wait_for_verdict(&machine, "/hz hung");
        ONE.wait_restarted(&machine, 0);
        let journal = machine.journal(&ONE.unit());
        assert!(!journal.contains("oo many open files"), "{suite}: {journal}");
        machine.must(&["systemctl", "stop", "--no-block", &ONE.unit()]);
    });
}

#[test]
fn an_app_that_ends_before_anybody_looks_has_lost_no_mountpoint() {
    on_each_suite(|suite| {
        let machine = scene::machine(suite);
        start(&machine, MOUNT, "#!/bin/sh\nexit 3\n", "command = exit 3\n");
        let told = "exited with 3 before it served";
        machine.wait_for("ends", LIMIT, || {
            match machine.journal(&ONE.unit()).matches(told).count() {
                0..4 => Err(machine.journal(&ONE.unit())),
                _ => Ok(()),
            }
        });
        machine.must(&["systemctl", "stop", &ONE.unit()]);
        let journal = machine.journal(&ONE.unit());
        assert!(!journal.contains("gone (unmounted)"), "{suite}: {journal}");
    });
}

#[test]
fn a_file_of_a_tenants_with_the_name_of_the_device_keeps_no_watchdog_waiting() {
    // An orphan in a group of its own, which has the file open when its daemon answers nobody any more.
    const APP: &str = "#!/usr/bin/perl\nif (!fork) { setpgrp; if (fork) { exit }\n\
        open(my $f, '<', '/mz/fuse') or die; open(my $d, '<', '/mz/deadlock') or die;\n\
        if (!fork) { setpgrp; sleep 1000 } open(my $s, '>', '/srv/seen/ready'); close $s; sysread($d, my $x, 1); sleep 1000 }\n\
        sleep 1000;\n";
    on_each_suite(|suite| {
        let machine = scene::machine(suite);
        let mount = "exec-as-root = faultfs --allow-other --owner 20001 /mz\n";
        start(&machine, mount, APP, "command = exec /srv/app\n");
        wait_active(&machine);
        machine.wait_for("orphan", LIMIT, || match machine.sh("test -e /srv/seen/ready") {
            said if said.succeeded() => Ok(()),
            said => Err(said.to_string()),
        });
        // Attributes are known for a while.
        std::thread::sleep(Duration::from_secs(2));
        let daemon = machine.pid_of(&ONE.unit(), "faultfs");
        machine.must(&["systemctl", "stop", "--no-block", &ONE.unit()]);
        // Before systemd gives up, which is after 20 s.
        machine.wait_for("an unmount", Duration::from_secs(15), || {
            match machine.fuse_connections().is_empty() {
                true => Ok(()),
                false => Err(machine.journal(&ONE.unit())),
            }
        });
        // It is waited for.
        assert!(machine.kill(daemon, Signal::SIGKILL));
        machine.wait_for_unit(&ONE.unit(), "ActiveState", "inactive", LIMIT);
        assert_eq!(machine.unit(&ONE.unit(), "Result"), "success");
    });
}

#[test]
fn an_app_that_ends_has_its_hooks_and_commits_whatever_the_time_of_the_watchdog_is() {
    on_each_suite(|suite| {
        let machine = scene::machine(suite);
        let hook = "exec-as-user-atexit = sleep 12; touch /srv/seen/done\n";
        let settings = "command = exec sleep 1000\n[Service]\nWatchdogSec=6s\n";
        start(&machine, hook, "", settings);
        wait_active(&machine);
        let app = machine.pid_of(&ONE.unit(), "sleep");
        assert!(machine.kill(app, Signal::SIGKILL));
        ONE.wait_restarted(&machine, 0);
        let journal = machine.journal(&ONE.unit());
        assert!(
            machine.sh("test -e /srv/seen/done").succeeded(),
            "{suite}: {journal}"
        );
        assert!(!journal.contains("Watchdog timeout"), "{suite}: {journal}");
    });
}

#[test]
fn a_hang_is_told_in_the_end_though_there_can_never_be_a_process_to_ask() {
    const DEADLINE: Duration = Duration::from_millis(1500);
    on_each_suite(|suite| {
        let machine = scene::machine(suite);
        fixtures::mountpoint(&machine, "/mz", Owner::USER001);
        // The second question may come before there is too little; one of these comes after it.
        ONE.start(
            &machine,
            MOUNT,
            "mountpoint-deadline = 1500ms\nmountpoint-interval = 1\n",
        );
        let tight = Tight::around(ONE.watchdog(&machine), Scarce::Processes);
        machine.wait_for_journal(&ONE.unit(), "cannot ask /mz for its health", LIMIT);
        let begun = Instant::now();
        let waiting: Pid = machine.pid_of(&ONE.unit(), "faultfs-app");
        let mut connection = machine.connect(ONE.port).unwrap();
        std::io::Write::write_all(&mut connection, b"GET /read?/mz/hang HTTP/1.0\r\n\r\n").unwrap();
        ONE.wait_for_verdict(&machine, "/mz disturbed");
        let took = begun.elapsed();
        println!("{suite}: {took:?}");
        assert!(
            took >= DEADLINE * 8 && took < DEADLINE * 12,
            "{suite}: {took:?} {waiting}"
        );
        drop(tight);
        ONE.wait_restarted(&machine, 0);
        machine.poll_http(ONE.port, "/read?/mz/ok", LIMIT);
    });
}

#[test]
fn what_is_left_behind_waits_for_the_mount_and_nothing_else_of_the_tenants_goes_on() {
    // No PID namespace. An orphan goes on forking, and its children do nothing.
    const APP: &str = "#!/usr/bin/perl\nif (!fork) { if (fork) { exit } setpgrp;\n\
        while (1) { if (!fork) { exec 'sleep', '1000' } select(undef, undef, undef, 0.05) } }\n\
        if (!fork) { open(my $h, '<', '/hz/hang') or die; sysread($h, my $x, 1) } sleep 1000;\n";
    on_each_suite(|suite| {
        let machine = scene::machine(suite);
        machine.make_dir("/etc/vassal", 0o755, Owner::ROOT);
        let emperor = "[uwsgi]\nemperor = /etc/uwsgi/vassals\nemperor-use-clone = fs\n";
        machine.write("/etc/vassal/emperor.ini", emperor, 0o644, Owner::ROOT);
        mount_on_host(&machine, "/hz", 0);
        let settings =
            "command = test ! -e /srv/seen/ready || exec sleep 999; touch /srv/seen/ready; exec /srv/app\n";
        start(&machine, "mountpoint-check = /hz\n", APP, settings);
        ONE.wait_for_verdict(&machine, "/hz hung");
        ONE.wait_restarted(&machine, 0);
        let names = "find /sys/fs/cgroup -path '*left-behind*' -name cgroup.procs -exec cat {} + | xargs ps -o comm= -p";
        let left = || machine.sh(names);
        machine.wait_for("the end of the others", Duration::from_secs(10), || {
            let left = left().stdout;
            match left.contains("sleep") {
                false => Ok(()),
                true => Err(left),
            }
        });
    });
}
