//! What ends in the midst of a reload, and how it ends then.

use std::thread::sleep;
use std::time::Duration;

use vassal_tests::{Machine, Pid, Signal, Suite, fixtures, seed};

use crate::LIMIT;
use crate::client::{Client, Server, ask_while};
use crate::scene::{
    LIVE, UNIT, UWSGI, deploy, drop_in, get, lasting, machine, on_each_suite, psgi, reload, serving, uwsgis,
    wait_for_uwsgis,
};

/// Longer than anything here takes.
const LOADS: Duration = Duration::from_secs(1000);

/// A machine in which the next app loads for ever: the present one's first process, and the next one's.
fn loading(suite: Suite, text: &str) -> (Machine, Pid, Pid) {
    let machine = serving(suite, text, &psgi("first", Duration::ZERO));
    deploy(&machine, &psgi("second", LOADS));
    let present = uwsgis(&machine);
    machine.must(&["systemctl", "reload", "--no-block", UNIT]);
    let next = machine.wait_for("next app", LIMIT, || {
        let all = uwsgis(&machine);
        let new = all.iter().find(|pid| !present.contains(pid));
        new.copied().ok_or(format!("{all:?}"))
    });
    machine.wait_for("status of a reload", LIMIT, || {
        let status = machine.unit(UNIT, "StatusText");
        match status.contains("a reload starts uwsgi beside it") {
            true => Ok(()),
            false => Err(status),
        }
    });
    (machine, present[0], next)
}

fn wait_reloaded(machine: &Machine) {
    machine.wait_for_unit(UNIT, "SubState", "running", LIMIT);
}

#[test]
fn a_kill_of_the_next_app_fails_the_reload_and_nothing_else() {
    on_each_suite(|suite| {
        let (machine, _, next) = loading(suite, UWSGI);
        let (before, apps) = (lasting(&machine)[0].clone(), uwsgis(&machine).len());
        let tally = ask_while(&machine, &[LIVE], |_| {
            assert!(machine.kill(next, Signal::SIGKILL));
            wait_reloaded(&machine);
        });
        assert!(tally.failed.is_empty(), "{tally}");
        assert_eq!(lasting(&machine)[0], before);
        wait_for_uwsgis(&machine, apps - 1);
        machine.wait_for_journal(UNIT, "uwsgi was killed by SIGKILL before it served", LIMIT);
    });
}

#[test]
fn a_kill_of_the_present_app_while_the_next_one_loads_starts_the_vassal_anew() {
    on_each_suite(|suite| {
        let (machine, present, _) = loading(suite, UWSGI);
        deploy(&machine, &psgi("third", Duration::ZERO));
        assert!(machine.kill(present, Signal::SIGKILL));
        machine.wait_for_unit(UNIT, "NRestarts", "1", LIMIT);
        machine.poll_http(9090, "/live", LIMIT);
        assert_eq!(get(&machine, "/version"), "third\n");
        wait_for_uwsgis(&machine, 3);
        wait_reloaded(&machine);
    });
}

#[test]
fn a_stop_in_the_midst_of_a_reload_ends_both_apps_in_order() {
    on_each_suite(|suite| {
        let (machine, ..) = loading(suite, UWSGI);
        machine.must(&["systemctl", "stop", UNIT]);
        assert_eq!(machine.unit(UNIT, "Result"), "success");
        assert_eq!(machine.unit_pids(UNIT), Vec::new());
        assert!(
            !machine.journal(UNIT).contains("did not stop within"),
            "{}",
            machine.journal(UNIT)
        );
    });
}

#[test]
fn a_lost_mount_in_the_midst_of_a_reload_restarts_the_vassal() {
    on_each_suite(|suite| {
        let machine = machine(suite, "");
        fixtures::scenario(&machine);
        drop_in(&machine, seed::ZIP_WATCHED);
        machine.must(&["systemctl", "start", UNIT]);
        machine.poll_http(9090, "/live", LIMIT);
        // Longer than a second: its next failure is no failure to start.
        sleep(Duration::from_millis(1100));
        deploy(&machine, &psgi("second", LOADS));
        let text = seed::ZIP_WATCHED.replace("/app/myapp.pl", "/srv/app/app.pl");
        drop_in(&machine, &text);
        machine.must(&["systemctl", "reload", "--no-block", UNIT]);
        machine.wait_for("next app", LIMIT, || {
            let all = uwsgis(&machine);
            if all.len() > 2 {
                Ok(())
            } else {
                Err(format!("{all:?}"))
            }
        });
        drop_in(&machine, seed::ZIP_WATCHED);
        let daemon = machine.pid_of(UNIT, "fuse-zip");
        assert!(machine.kill(daemon, Signal::SIGKILL));
        machine.wait_for_unit(UNIT, "NRestarts", "1", LIMIT);
        machine.wait_for_unit(UNIT, "ActiveState", "active", LIMIT);
        machine.poll_http(9090, "/live", LIMIT);
        machine.wait_for_journal(UNIT, "/app dead", LIMIT);
        wait_for_uwsgis(&machine, 2);
    });
}

#[test]
fn a_reload_whose_process_was_killed_makes_room_for_the_next_one() {
    on_each_suite(|suite| {
        let (machine, _, next) = loading(suite, UWSGI);
        let reloading = machine.pid_of(UNIT, "vassal-enter");
        assert!(machine.kill(reloading, Signal::SIGKILL));
        wait_reloaded(&machine);
        deploy(&machine, &psgi("third", Duration::ZERO));
        reload(&machine);
        assert_eq!(get(&machine, "/version"), "third\n");
        wait_for_uwsgis(&machine, 3);
        assert!(!uwsgis(&machine).contains(&next));
    });
}

#[test]
fn the_app_before_answers_what_it_has_begun_and_the_next_reload_waits_for_that() {
    const SLOWER: Client = Client {
        server: Server::Port(9090),
        path: "/slower",
        body: "slower\n",
    };
    on_each_suite(|suite| {
        let app = |version: &str| {
            let text = psgi(version, Duration::ZERO);
            text.replace("'/slow' =>", "'/slower' => \"slower\\n\", '/slow' =>")
        };
        let machine = serving(suite, UWSGI, &app("first"));
        let tally = ask_while(&machine, &[SLOWER], |_| {
            sleep(Duration::from_millis(500));
            for version in ["second", "third"] {
                deploy(&machine, &app(version));
                reload(&machine);
                assert_eq!(get(&machine, "/version"), format!("{version}\n"));
            }
        });
        println!("{suite}: {tally}");
        assert!(tally.failed.is_empty() && tally.answered > 0, "{tally}");
        wait_for_uwsgis(&machine, 3);
    });
}
