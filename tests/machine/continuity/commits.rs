//! Stops, restarts and crashes of a vassal that is being written to: nothing that the app closed is missing from its archive.

use std::time::{Duration, Instant};

use vassal_tests::Machine;

use crate::LIMIT;
use crate::scene::{UNIT, kill, on_each_suite, uwsgi};
use crate::writer::{Written, archived, serving, text};

/// How long it goes on.
const TIME: Duration = Duration::from_secs(60);

/// What ends the app. A stop and a restart count as a clean end, so that the restart after the one crash comes at once.
#[derive(Clone, Copy, Debug)]
enum End {
    StopAndStart,
    Crash,
    Restart,
}

impl End {
    const EVERY: [End; 3] = [End::StopAndStart, End::Crash, End::Restart];

    fn come(self, machine: &Machine) {
        match self {
            End::StopAndStart => {
                machine.must(&["systemctl", "stop", UNIT]);
                machine.must(&["systemctl", "start", UNIT]);
            }
            End::Restart => {
                machine.must(&["systemctl", "restart", UNIT]);
            }
            End::Crash => {
                let app = uwsgi(machine);
                kill(machine, app);
                machine.wait_for("app that has taken over", LIMIT, || {
                    let pids = machine.pids_of(UNIT, "uwsgi");
                    let has_new = !pids.is_empty() && !pids.contains(&app);
                    if has_new { Ok(()) } else { Err(format!("{pids:?}")) }
                });
            }
        }
    }
}

#[test]
fn stops_crashes_and_restarts_lose_nothing_that_the_app_closed() {
    on_each_suite(|suite| {
        let machine = serving(suite, &text());
        let (written, begun, mut rounds) = (Written::default(), Instant::now(), 0);
        written.write_while(&machine, || {
            while begun.elapsed() < TIME {
                End::EVERY.into_iter().for_each(|end| {
                    written.wait_for_next(&machine);
                    end.come(&machine);
                });
                rounds += 1;
            }
        });
        machine.must(&["systemctl", "stop", UNIT]);
        let missing = written.missing_from(&archived(&machine));
        let (files, lost) = (written.count(), missing.len());
        println!(
            "{suite}: {rounds} rounds of {:?}: {files} files, {lost} missing",
            End::EVERY
        );
        assert!(
            rounds > 1 && files > rounds * End::EVERY.len(),
            "{rounds} {files}"
        );
        assert!(
            missing.is_empty(),
            "{suite}: of {files}: {missing:?}\n{}",
            machine.journal(UNIT)
        );
    });
}
