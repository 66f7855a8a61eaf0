//! What an app can do to the channels between its watchdog and everybody else: the Emperor's socket, the notification socket, the
//! journal, the status line.

use std::time::Duration;

use vassal_tests::{Machine, Owner, installed, on_each_suite};

const LIMIT: Duration = Duration::from_secs(30);
const UNIT: &str = "vassal@harm.service";

/// A machine with a vassal whose app is this program of the tenant's.
fn machine(suite: vassal_tests::Suite, program: &str, settings: &str) -> Machine {
    let machine = Machine::boot(suite, &[installed(suite)]);
    machine.make_dir("/etc/uwsgi/vassals", 0o755, Owner::ROOT);
    machine.write("/srv/harm", program, 0o755, Owner::USER001);
    machine.write(
        "/etc/uwsgi/vassals/harm.ini",
        format!("[uwsgi]\nuid = user001\ngid = user001\n{settings}"),
        0o644,
        Owner::ROOT,
    );
    machine.must(&["systemctl", "daemon-reload"]);
    machine
}

/// The same with a program in the place of uWSGI, which has the Emperor's sockets.
fn in_uwsgis_place(suite: vassal_tests::Suite, program: &str) -> Machine {
    let machine = machine(suite, program, "http-socket = 127.0.0.1:9090\n");
    machine.make_dir("/etc/vassal", 0o755, Owner::ROOT);
    let emperor =
        "[uwsgi]\nemperor = /etc/uwsgi/vassals\nemperor-wrapper = /srv/harm\nemperor-use-clone = fs,pid\n";
    machine.write("/etc/vassal/emperor.ini", emperor, 0o644, Owner::ROOT);
    machine.must(&["systemctl", "daemon-reload"]);
    machine
}

fn restarts(machine: &Machine) -> u32 {
    machine.unit(UNIT, "NRestarts").parse().unwrap_or(u32::MAX)
}

#[test]
fn an_app_that_asks_to_be_stopped_again_and_again_is_restarted_with_growing_pauses() {
    const PROGRAM: &str = "#!/usr/bin/perl\n\
        open(my $e, '+<&=', $ENV{UWSGI_EMPEROR_FD}); syswrite($e, \"\\x05\"); select(undef, undef, undef, 0.05);\n\
        syswrite($e, \"\\x16\"); exit 0;\n";
    on_each_suite(|suite| {
        let machine = in_uwsgis_place(suite, PROGRAM);
        machine.must(&["systemctl", "start", "--no-block", UNIT]);
        machine.wait_for("attempts", LIMIT, || match restarts(&machine) {
            0..3 => Err(machine.journal(UNIT)),
            _ => Ok(()),
        });
        // At once, then after 1, 2, 4, 8 s: not one in each tenth of a second.
        std::thread::sleep(Duration::from_secs(8));
        assert!(restarts(&machine) <= 7, "{suite}: {}", machine.journal(UNIT));
        machine.must(&["systemctl", "stop", UNIT]);
    });
}

#[test]
fn an_app_that_asks_for_its_configuration_and_never_reads_it_ends_nothing() {
    const PROGRAM: &str = "#!/usr/bin/perl\n\
        open(my $e, '+<&=', $ENV{UWSGI_EMPEROR_FD}); syswrite($e, \"\\x05\");\n\
        my $end = time + 6; syswrite($e, \"\\x02\" x 4096) while time < $end; sleep 1000;\n";
    on_each_suite(|suite| {
        let machine = in_uwsgis_place(suite, PROGRAM);
        machine.must(&["systemctl", "start", UNIT]);
        std::thread::sleep(Duration::from_secs(7));
        assert_eq!(
            machine.unit(UNIT, "ActiveState"),
            "active",
            "{}",
            machine.journal(UNIT)
        );
        assert_eq!(restarts(&machine), 0, "{suite}: {}", machine.journal(UNIT));
    });
}

#[test]
fn a_flood_of_the_notification_socket_costs_its_watchdog_little_and_readiness_is_heard() {
    // Everybody reads /proc/net/unix. The flood goes on when the app is ready.
    const FLOOD: &str = "#!/usr/bin/perl\nuse Socket; my $end = time + 30;\n\
        while (time < $end) { open(my $f, '<', '/proc/net/unix'); my @n = map { /\\@(vassal-\\S+|[0-9a-f]{5})$/ ? $1 : () } <$f>;\n\
        for my $n (@n) { socket(my $s, AF_UNIX, SOCK_DGRAM, 0); connect($s, sockaddr_un(\"\\0$n\")) or next;\n\
        for (1..20000) { send($s, 'STATUS=x', 0x40) } } }\n";
    const APP: &str = "#!/usr/bin/perl\nuse Socket; sleep 4; my $n = $ENV{NOTIFY_SOCKET}; $n =~ s/^\\@/\\0/;\n\
        socket(my $s, AF_UNIX, SOCK_DGRAM, 0); connect($s, sockaddr_un($n)) or die; send($s, 'READY=1', 0) or die;\n\
        while (1) { send($s, 'WATCHDOG=1', 0) or die \"broken: $!\"; select(undef, undef, undef, 0.01) }\n";
    on_each_suite(|suite| {
        let machine = machine(suite, APP, "[vassal]\nnotify = true\ncommand = exec /srv/harm\n");
        machine.write("/srv/flood", FLOOD, 0o755, Owner::USER002);
        machine.must(&["systemd-run", "--quiet", "--uid=user002", "/srv/flood"]);
        machine.must(&["systemctl", "start", UNIT]);
        let watchdog = machine.pid_of(UNIT, "vassal-watchdog");
        let used = || -> f64 {
            let text = std::fs::read_to_string(format!("/proc/{watchdog}/schedstat")).unwrap();
            text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
        };
        // From its first moment on, the four seconds before the readiness included.
        assert!(used() < 1.0, "{suite}: {} s of a core until it was ready", used());
        let before = used();
        std::thread::sleep(Duration::from_secs(5));
        assert!(
            used() - before < 0.1,
            "{suite}: {} s of a core in 5 s",
            used() - before
        );
        assert_eq!(
            machine.unit(UNIT, "ActiveState"),
            "active",
            "{}",
            machine.journal(UNIT)
        );
        assert_eq!(restarts(&machine), 0, "{suite}: {}", machine.journal(UNIT));
    });
}

#[test]
fn an_app_that_shuts_its_standard_output_down_silences_nobody_else() {
    const PROGRAM: &str = "#!/usr/bin/perl\n$| = 1; print \"<5>the app speaks\\n\"; sleep 1;\n\
        shutdown(STDOUT, 2); shutdown(STDERR, 2);\n\
        if (!fork) { if (!fork) { setpgrp; sleep 1; kill 9, $$ } exit } sleep 2; exit 3;\n";
    on_each_suite(|suite| {
        let machine = machine(suite, PROGRAM, "[vassal]\ncommand = exec /srv/harm\n");
        machine.must(&["systemctl", "start", UNIT]);
        machine.wait_for_journal(UNIT, "was killed by SIGKILL", LIMIT);
        machine.wait_for_journal(UNIT, "exited with 3", LIMIT);
        let own = "journalctl --sync; journalctl --quiet --output=cat --unit vassal@harm.service PRIORITY=5 SYSLOG_IDENTIFIER=harm";
        assert!(
            machine.must_sh(own).contains("the app speaks"),
            "{suite}: {}",
            machine.journal(UNIT)
        );
        machine.must(&["systemctl", "stop", UNIT]);
    });
}

#[test]
fn half_a_line_of_a_hooks_is_not_the_beginning_of_what_is_told_of_it() {
    on_each_suite(|suite| {
        let hook = "exec-as-user = printf half; exit 3\n[vassal]\ncommand = exec /srv/harm\n";
        let machine = machine(suite, "", hook);
        machine.must(&["systemctl", "start", "--no-block", UNIT]);
        machine.wait_for_journal(UNIT, "its last words: half", LIMIT);
        let errors = "journalctl --sync; journalctl --quiet --output=cat --unit vassal@harm.service PRIORITY=3 _COMM=vassal-enter";
        let told = machine.must_sh(errors);
        assert!(told.starts_with("harm.ini:4: "), "{suite}: {told}");
        machine.must(&["systemctl", "stop", UNIT]);
    });
}

#[test]
fn a_flood_of_deaths_is_one_line_with_a_count() {
    const PROGRAM: &str = "#!/usr/bin/perl\n\
        for (1..3000) { if (!fork) { if (!fork) { select(undef, undef, undef, 0.05); kill 9, $$ } exit } wait }\n\
        sleep 1000;\n";
    on_each_suite(|suite| {
        let machine = machine(suite, PROGRAM, "[vassal]\ncommand = exec /srv/harm\n");
        machine.must(&["systemctl", "start", UNIT]);
        machine.wait_for_journal(UNIT, "more processes have ended like that", LIMIT);
        let lines = machine.journal(UNIT);
        let told = lines
            .lines()
            .filter(|line| line.contains("was killed by SIGKILL"))
            .count();
        assert!(told <= 60, "{suite}: {told} lines");
    });
}

#[test]
fn an_end_in_a_flood_of_lines_is_in_the_journal_and_the_next_start_repeats_it() {
    // journald counts each group of priorities of a unit for itself.
    const PROGRAM: &str = "#!/usr/bin/perl\n\
        if (-e '/srv/again/x') { sleep 1000 } open(my $f, '>', '/srv/again/x'); print \"flood\\n\" x 200000; exit 7;\n";
    on_each_suite(|suite| {
        let machine = machine(suite, PROGRAM, "[vassal]\ncommand = exec /srv/harm\n");
        machine.make_dir("/srv/again", 0o777, Owner::ROOT);
        machine.must(&["systemctl", "start", "--no-block", UNIT]);
        let events = |field: &str| {
            machine.must_sh(&format!(
                "journalctl --sync; journalctl --quiet --output=cat {field}"
            ))
        };
        machine.wait_for("next start", LIMIT, || {
            let told = events("MESSAGE_ID=432e5f4d6e814274ae80f8c9e6ea7cdf PRIORITY=4");
            match told.contains("harm: serving; 1 restart: harm exited with 7") {
                true => Ok(()),
                false => Err(machine.unit(UNIT, "StatusText")),
            }
        });
        let ended = events("MESSAGE_ID=e9cbe4dd51554c349c33af94ff46dad2");
        assert!(ended.contains("harm exited with 7"), "{suite}: {ended}");
        let heard = machine
            .must_sh("journalctl --sync; journalctl --quiet --output=cat -u vassal@harm | grep -c '^flood$'");
        let heard: usize = heard.trim().parse().unwrap();
        assert!(heard < 200_000, "{suite}: nothing was dropped");
    });
}

#[test]
fn a_value_of_a_file_that_is_roots_alone_is_in_the_journal_and_not_in_the_status() {
    // What follows [uwsgi], the option, and whether it is a hook.
    const CASES: [(&str, &str); 4] = [
        ("uid = @(/root/secret)\n", ":2: uid: "),
        (
            "uid = user001\nprocesses = @(/root/secret)\nhook-as-root = @(/root/secret)\n",
            ":4: hook-as-root: ",
        ),
        (
            "uid = user001\nexec-as-root = echo @(/root/secret) && false\n",
            ":3: as-root hook: ",
        ),
        (
            "uid = user001\nmountpoint-check = @(/root/secret)\n",
            ":3: mountpoint-check: ",
        ),
    ];
    on_each_suite(|suite| {
        let machine = machine(suite, "", "");
        machine.write("/root/secret", "pAsSw0rd", 0o600, Owner::ROOT);
        for (lines, place) in CASES {
            let text = format!("[uwsgi]\n{lines}[vassal]\ncommand = exec /usr/bin/sleep infinity\n");
            machine.write("/etc/uwsgi/vassals/harm.ini", text, 0o644, Owner::ROOT);
            machine.must(&["systemctl", "daemon-reload"]);
            machine.must(&["systemctl", "start", "--no-block", UNIT]);
            let status = machine.wait_for("status", LIMIT, || {
                let status = machine.unit(UNIT, "StatusText");
                if status.contains(place) {
                    Ok(status)
                } else {
                    Err(status)
                }
            });
            assert!(!status.contains("pAsSw0rd"), "{suite}: {status}");
            machine.wait_for_journal(UNIT, "pAsSw0rd", LIMIT);
            machine.run(&["systemctl", "stop", UNIT]);
            machine.run(&["systemctl", "reset-failed", UNIT]);
            let drop_in = machine.must_sh("cat /run/systemd/generator*/vassal@harm.service.d/*.conf");
            assert!(!drop_in.contains("pAsSw0rd"), "{suite}: {drop_in}");
        }
    });
}

#[test]
fn no_value_of_a_file_that_is_roots_alone_is_in_what_is_told_of_an_end_or_a_reload() {
    const APP: &str = "#!/usr/bin/perl\nif (-e '/srv/go') { exit 3 } sleep 1000;\n";
    // A variable before the program, and what a reload finds wrong.
    const COMMAND: &str = "command = TOKEN=@(/root/secret) exec /srv/harm\n";
    on_each_suite(|suite| {
        let machine = machine(suite, APP, "");
        machine.write("/root/secret", "pAsSw0rd", 0o600, Owner::ROOT);
        let put = |lines: &str| {
            let text = format!("[uwsgi]\nuid = user001\ngid = user001\n{lines}[vassal]\n{COMMAND}");
            machine.write("/etc/uwsgi/vassals/harm.ini", text, 0o644, Owner::ROOT);
        };
        let public = || {
            machine.must_sh(
                "cat /run/vassal/health/harm.json; systemctl show vassal@harm -p StatusText; runuser -u user002 -- vassalctl list",
            )
        };
        put("");
        machine.must(&["systemctl", "daemon-reload"]);
        machine.must(&["systemctl", "start", UNIT]);
        put("mountpoint-check = @(/root/secret)\nhook-as-root = @(/root/secret)\n");
        assert!(
            !machine.run(&["systemctl", "reload", UNIT]).succeeded(),
            "{suite}"
        );
        machine.wait_for("status", LIMIT, || {
            let told = public();
            if told.contains("a reload failed") {
                Ok(())
            } else {
                Err(told)
            }
        });
        assert!(!public().contains("pAsSw0rd"), "{suite}: {}", public());
        put("");
        machine.must(&["touch", "/srv/go"]);
        machine.must(&["systemctl", "kill", "--kill-whom=all", "--signal=KILL", UNIT]);
        machine.wait_for("a cause", LIMIT, || {
            let told = public();
            if told.contains("exited with 3") {
                Ok(())
            } else {
                Err(told)
            }
        });
        assert!(public().contains("harm exited with 3"), "{suite}: {}", public());
        assert!(!public().contains("pAsSw0rd"), "{suite}: {}", public());
        machine.must(&["systemctl", "stop", UNIT]);
    });
}

#[test]
fn a_flood_of_bytes_and_of_ends_costs_its_watchdog_little() {
    // Bytes of every meaning but those that end something, one at a time; orphans that end at once. Both end when they are told to.
    const FLOOD: &str = "#!/usr/bin/perl\nopen(my $e, '+<&=', $ENV{UWSGI_EMPEROR_FD}); syswrite($e, \"\\x05\");\n\
        if (!fork) { my $at = 0; while (1) { syswrite($e, chr(26 + $at++ % 200)) } }\n\
        sysread($e, my $x, 1);\n";
    const ORPHANS: &str = "#!/usr/bin/perl\nopen(my $e, '+<&=', $ENV{UWSGI_EMPEROR_FD}); syswrite($e, \"\\x05\");\n\
        for (1..2) { if (!fork) { while (1) { if (!fork) { if (!fork) { kill 9, $$ } exit } wait } } }\n\
        sysread($e, my $x, 1);\n";
    on_each_suite(|suite| {
        let machine = in_uwsgis_place(suite, FLOOD);
        for (what, program, most) in [("bytes", FLOOD, 0.25), ("ends", ORPHANS, 0.5)] {
            machine.write("/srv/harm", program, 0o755, Owner::USER001);
            machine.must(&["systemctl", "start", UNIT]);
            let watchdog = machine.pid_of(UNIT, "vassal-watchdog");
            let used = || -> f64 {
                let text = std::fs::read_to_string(format!("/proc/{watchdog}/schedstat")).unwrap();
                text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
            };
            let before = used();
            std::thread::sleep(Duration::from_secs(5));
            let load = (used() - before) / 5.0;
            println!("{suite}: {what}: {load:.2} of a core");
            assert!(load < most, "{suite}: {what}: {load} of a core");
            assert_eq!(
                restarts(&machine),
                0,
                "{suite}: {what}: {}",
                machine.journal(UNIT)
            );
            machine.must(&["systemctl", "stop", UNIT]);
        }
    });
}
