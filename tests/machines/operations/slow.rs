//! Daemons with one thread that are long at work: while they upload what was written, they answer nobody else.
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and does not get ends it, with the reason"
)]

use std::time::{Duration, Instant};

use vassal_tests::{Boot, Machine, Owner, Suite, fixtures, installed, on_each_suite};

/// The program that is both the daemon and the app of this vassal.
const FAULTFS: &str = env!("CARGO_BIN_EXE_faultfs");
const UNIT: &str = "vassal@slow.service";
const PORT: u16 = 9101;
/// How long anything may take in a busy machine.
const LIMIT: Duration = Duration::from_secs(30);
/// How long the upload takes: more than the deadline of this vassal, twice.
const UPLOAD: Duration = Duration::from_secs(4);

fn serving(suite: Suite) -> Machine {
    let machine = Boot::of(suite).layer(&installed(suite)).start().unwrap();
    let program = std::fs::read(FAULTFS).unwrap();
    machine.write("/usr/local/bin/faultfs", program, 0o755, Owner::ROOT);
    machine.must(&["ln", "/usr/local/bin/faultfs", "/usr/local/bin/faultfs-app"]);
    fixtures::mountpoint(&machine, "/mnt/slow", Owner::USER001);
    let text = format!(
        "[uwsgi]\nuid = user001\ngid = user001\nexec-as-root = faultfs --owner 20001 /mnt/slow\n\
         mountpoint-check = /mnt/slow\n\
         [vassal]\ncommand = exec /usr/local/bin/faultfs-app --http {PORT}\nready = 127.0.0.1:{PORT}\n\
         mountpoint-deadline = 1500ms\n"
    );
    machine.write("/etc/uwsgi/vassals/slow.ini", text, 0o644, Owner::ROOT);
    machine.must(&["systemctl", "daemon-reload"]);
    let started = machine.run(&["systemctl", "start", UNIT]);
    assert!(started.succeeded(), "{}", machine.state());
    machine
}

fn restarts(machine: &Machine) -> u32 {
    machine.unit(UNIT, "NRestarts").parse().unwrap()
}

/// Closes a file of the mount; what came of that, and how long it took.
fn close(machine: &Machine, file: &str) -> (bool, Duration) {
    let begun = Instant::now();
    let answer = machine.http(PORT, &format!("/close?/mnt/slow/{file}"));
    (answer.is_ok_and(|(status, _)| status == 200), begun.elapsed())
}

/// Waits for one more restart.
fn wait_restarted(machine: &Machine, before: u32) {
    machine.wait_for("restart", LIMIT, || match restarts(machine) {
        restarts if restarts == before + 1 => Ok(()),
        restarts => Err(format!("{restarts} restarts\n{}", machine.journal(UNIT))),
    });
    machine.wait_for_unit(UNIT, "ActiveState", "active", LIMIT);
}

#[test]
fn an_upload_at_close_is_no_hang_while_it_moves_bytes() {
    on_each_suite(|suite| {
        let machine = serving(suite);
        let (ended, took) = std::thread::scope(|scope| {
            let closing = scope.spawn(|| close(&machine, "upload"));
            // Others of the app wait for the same daemon meanwhile, with calls that are answered at once otherwise.
            std::thread::sleep(UPLOAD / 8);
            let reading = scope.spawn(|| machine.http(PORT, "/read?/mnt/slow/ok"));
            let read = reading.join().unwrap();
            assert!(
                matches!(read, Ok((200, _))),
                "{read:?}: {}",
                machine.journal(UNIT)
            );
            closing.join().unwrap()
        });
        assert!(ended && took >= UPLOAD, "{took:?}: {}", machine.journal(UNIT));
        assert_eq!(restarts(&machine), 0, "{}", machine.journal(UNIT));
        // One that moves nothing hangs, although it never stops turning.
        for file in ["stuck", "turning"] {
            let before = restarts(&machine);
            let (ended, took) = close(&machine, file);
            wait_restarted(&machine, before);
            println!("{suite}: {file}: {took:?}");
            assert!(!ended, "{file}: {took:?}: {}", machine.journal(UNIT));
            assert!(took < LIMIT / 3, "{file}: {took:?}");
            let journal = machine.journal(UNIT);
            assert!(
                journal.contains("/mnt/slow hung (no answer within the deadline)"),
                "{journal}"
            );
        }
        machine.must(&["systemctl", "stop", UNIT]);
    });
}
