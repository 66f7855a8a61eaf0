//! Restarts and reloads under load: how long a request may wait.

use std::panic::resume_unwind;
use std::time::{Duration, Instant};

use vassal_tests::{Machine, on_each_suite};

use super::scene::{LIMIT, machine, start, timed, unit};

/// What a restart may add to the time that uWSGI and the app take to load.
const RESTART: Duration = Duration::from_millis(300);
/// What a reload in place may.
const RELOAD: Duration = Duration::from_millis(150);
const ROUNDS: usize = 7;

const LINES: &str = "wsgi = app\nprocesses = 2\n";

/// The middle of how long the slowest request of each round took. None fails.
fn slowest(machine: &Machine, verb: &str) -> Duration {
    let mut rounds: Vec<Duration> = (0..ROUNDS).map(|_| slowest_of_one(machine, verb)).collect();
    rounds.sort();
    println!("{}: {verb}: slowest requests {rounds:?}", machine.suite());
    rounds[ROUNDS / 2]
}

fn slowest_of_one(machine: &Machine, verb: &str) -> Duration {
    std::thread::scope(|scope| {
        let working = scope.spawn(|| timed(machine, verb, "load"));
        let mut slowest = Duration::ZERO;
        // Once more when it is over: the last ones wait for the new app.
        loop {
            let is_over = working.is_finished();
            let begun = Instant::now();
            let answer = machine.http(9090, "/");
            assert!(matches!(answer, Ok((200, _))), "{verb}: {answer:?}");
            slowest = slowest.max(begun.elapsed());
            if is_over {
                return working
                    .join()
                    .map_or_else(|reason| resume_unwind(reason), |_| slowest);
            }
        }
    })
}

/// How long this uWSGI takes from its start to its first answer, without anything of ours.
fn loading(machine: &Machine) -> Duration {
    let script = "cd /etc/uwsgi/vassals && exec setpriv --reuid=user001 --regid=user001 --clear-groups \
        uwsgi --plugin python3 --http-socket :9099 --pythonpath /srv/app --wsgi app --master --processes 2 \
        --die-on-term >/dev/null 2>&1 & echo $!";
    let mut found: Vec<Duration> = (0..3)
        .map(|_| {
            let begun = Instant::now();
            let pid = machine.must_sh(script);
            machine.poll_http(9099, "/", LIMIT);
            let loading = begun.elapsed();
            machine.must(&["kill", "-KILL", &pid]);
            machine.must_sh("pkill -KILL -u user001 -f 9099 || true");
            loading
        })
        .collect();
    found.sort();
    found[1]
}

#[test]
fn no_second_is_wasted_on_a_restart_or_a_reload() {
    on_each_suite(|suite| {
        let machine = machine(suite, &[]);
        let loading = loading(&machine);
        start(&machine, "load", LINES);
        let (restart, reload) = (slowest(&machine, "restart"), slowest(&machine, "reload"));
        println!("{suite}: restart {restart:?}, reload {reload:?}, of which {loading:?} is loading");
        assert!(restart <= loading + RESTART, "{restart:?} {loading:?}");
        assert!(reload <= loading + RELOAD, "{reload:?} {loading:?}");
        let journal = machine.journal(&unit("load"));
        assert_eq!(journal.matches(": reloaded").count(), ROUNDS, "{journal}");
    });
}
