//! Kinds of uWSGI, and what its master may have beside its workers.

use std::time::Duration;

use vassal_tests::{Machine, Signal, on_each_suite};

use super::scene::{LIMIT, assert_stopped_in_order, machine, start, stopped_in, timed, unit};

/// The best of several stops takes no longer when nothing runs: single ones meet a busy host.
const IDLE: Duration = Duration::from_millis(150);
/// How often an idle one is stopped.
const ROUNDS: usize = 4;
/// uWSGI ends its daemons with a second's sleep after the signal, and is given half a second more than that.
const WITH_COMPANY: Duration = Duration::from_secs(4);

/// What runs, beside workers that have nothing to do.
const COMPANY: &[(&str, &str)] = &[
    ("subprocess", "wsgi = with_subprocess\nprocesses = 2\n"),
    ("multiprocessing", "wsgi = with_multiprocessing\nprocesses = 2\n"),
    (
        "daemon",
        "wsgi = app\nprocesses = 2\nattach-daemon = sleep 1000\n",
    ),
    (
        "prefork",
        "wsgi = app\nprocesses = 2\nattach-daemon = sleep 1000\nhook-pre-app = exec:false\n",
    ),
    (
        "mules",
        "wsgi = app\nprocesses = 2\nmule =\nmule =\nspooler = /srv/spool\n",
    ),
    (
        "router",
        "wsgi = app\nprocesses = 2\nhttp = :9091\nstats = :9191\n",
    ),
];

/// What an idle uWSGI may be like.
const ALONE: &[(&str, &str)] = &[
    ("plain", "wsgi = app\nprocesses = 2\n"),
    ("threads", "wsgi = app\nprocesses = 2\nthreads = 4\n"),
    ("lazy", "wsgi = app\nprocesses = 4\ncheaper = 1\nlazy-apps =\n"),
    ("dying", "wsgi = app\ndie-on-term =\nworker-reload-mercy = 5\n"),
];

#[test]
fn an_idle_uwsgi_stops_at_once() {
    on_each_suite(|suite| {
        let machine = machine(suite, &[]);
        for (name, lines) in ALONE {
            let stops = (0..ROUNDS).map(|_| {
                start(&machine, name, lines);
                timed(&machine, "stop", name);
                stopped_in(&machine, name)
            });
            let stops: Vec<_> = stops.collect();
            println!("{suite}: {name}: {stops:?}");
            assert!(stops.iter().min().unwrap() <= &IDLE, "{name}: {stops:?}");
            assert_stopped_in_order(&machine, name);
        }
    });
}

#[test]
fn children_of_the_master_do_not_hold_a_stop_up() {
    on_each_suite(|suite| {
        let machine = machine(suite, &[]);
        for (name, lines) in COMPANY {
            start(&machine, name, lines);
            let stop = timed(&machine, "stop", name);
            println!("{suite}: {name}: {stop:?}");
            assert!(
                stop <= WITH_COMPANY,
                "{name}: {stop:?}\n{}",
                machine.journal(&unit(name))
            );
            assert_stopped_in_order(&machine, name);
        }
    });
}

/// Has a worker killed by harakiri, and waits for the master's word of it: it sleeps for a second then, and forks another.
fn meet_harakiri(machine: &Machine, name: &str) {
    std::thread::scope(|scope| {
        scope.spawn(|| machine.http(9090, "/?100").is_ok());
        machine.wait_for_journal(&unit(name), "HARAKIRI ON WORKER", LIMIT);
    });
}

#[test]
fn a_worker_that_is_forked_after_the_order_hears_it() {
    on_each_suite(|suite| {
        let machine = machine(suite, &[]);
        for (name, lines) in [
            ("one", "wsgi = app\nharakiri = 1\n"),
            ("two", "wsgi = app\nprocesses = 2\nharakiri = 1\n"),
        ] {
            for _ in 0..2 {
                start(&machine, name, lines);
                meet_harakiri(&machine, name);
                let stop = timed(&machine, "stop", name);
                println!("{suite}: {name}: {stop:?}");
                assert!(stop <= WITH_COMPANY, "{stop:?}\n{}", machine.journal(&unit(name)));
                assert_stopped_in_order(&machine, name);
            }
        }
    });
}

#[test]
fn a_uwsgi_that_stands_still_is_continued_and_stops() {
    on_each_suite(|suite| {
        let machine = machine(suite, &[]);
        start(
            &machine,
            "still",
            "wsgi = app\nprocesses = 2\nattach-daemon = sleep 1000\n",
        );
        for pid in machine.unit_pids(&unit("still")).into_iter().skip(1) {
            machine.kill(pid, Signal::SIGSTOP);
        }
        let stop = timed(&machine, "stop", "still");
        println!("{suite}: {stop:?}");
        assert!(
            stop <= WITH_COMPANY,
            "{stop:?}\n{}",
            machine.journal(&unit("still"))
        );
        assert_stopped_in_order(&machine, "still");
    });
}

#[test]
fn a_request_that_has_begun_is_answered_whatever_else_ends() {
    on_each_suite(|suite| {
        let machine = machine(suite, &[]);
        for (name, lines) in COMPANY {
            start(&machine, name, lines);
            std::thread::scope(|scope| {
                let asked = scope.spawn(|| machine.http(9090, "/?2"));
                machine.wait_for("request in progress", LIMIT, || {
                    let busy = machine.sh("ss -Htn state established '( sport = :9090 )' | grep -q .");
                    if busy.succeeded() { Ok(()) } else { Err("none") }
                });
                let stop = timed(&machine, "stop", name);
                let answer = asked.join().unwrap();
                println!("{suite}: {name}: {stop:?}");
                assert!(matches!(answer, Ok((200, _))), "{name}: {answer:?}");
            });
            assert_stopped_in_order(&machine, name);
        }
    });
}
