//! Stops, restarts and crashes of vassals that are being written to: nothing that the app closed is missing from its archive.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use vassal_tests::{Machine, Owner, Suite, fixtures, seed};

use crate::LIMIT;
use crate::setup::client::Over;
use crate::setup::scene::{kill, machine, on_each_suite};

/// How many ends are met in each suite, at least.
const ENDS: usize = 200;
/// An end is a second of waiting, mostly for uWSGI, which takes one to bury its worker: so several vassals meet theirs at the same time.
const VASSALS: usize = 4;
/// Between two files.
const INTERVAL: Duration = Duration::from_millis(15);

/// What ends the app. A stop and a restart count as a clean end, so that the restart after the one crash comes at once.
#[derive(Clone, Copy, Debug)]
enum End {
    StopAndStart,
    Crash,
    Restart,
}

impl End {
    const EVERY: [End; 3] = [End::StopAndStart, End::Crash, End::Restart];
    /// How often each of them comes to each vassal.
    const TIMES: usize = ENDS.div_ceil(End::EVERY.len() * VASSALS);

    fn come(self, machine: &Machine, unit: &str) {
        match self {
            End::StopAndStart => {
                machine.must(&["systemctl", "stop", unit]);
                machine.must(&["systemctl", "start", unit]);
            }
            End::Restart => {
                machine.must(&["systemctl", "restart", unit]);
            }
            End::Crash => match machine.pids_of(unit, "uwsgi").first() {
                Some(master) => kill(machine, *master),
                None => panic!("no uwsgi in {unit}\n{}", machine.state()),
            },
        }
    }
}

/// A vassal that may write to its archive.
#[derive(Debug)]
struct Writer {
    name: String,
    port: u16,
    /// The files of which the app has said that it wrote and closed them.
    written: Mutex<BTreeSet<String>>,
    /// How many ends have come.
    ends: AtomicUsize,
}

impl Writer {
    fn new(number: usize) -> Writer {
        Writer {
            name: format!("writer{number}"),
            port: 9101 + u16::try_from(number).unwrap(),
            written: Mutex::default(),
            ends: AtomicUsize::new(0),
        }
    }

    fn unit(&self) -> String {
        format!("vassal@{}.service", self.name)
    }

    fn archive(&self) -> String {
        format!("/srv/{0}/{0}.zip", self.name)
    }

    fn mountpoint(&self) -> String {
        format!("/mnt/{}", self.name)
    }

    /// The tutorial's writing vassal: unmounted at exit, so that its daemon commits.
    fn furnish(&self, machine: &Machine) {
        machine.make_dir(format!("/srv/{}", self.name), 0o755, Owner::USER001);
        fixtures::mountpoint(machine, self.mountpoint(), Owner::USER001);
        fixtures::zip_app(machine, self.archive(), &self.name);
        machine.must(&["chown", "user001:user001", &self.archive()]);
        let text = seed::ZIP_ATEXIT
            .replace(" /app", &format!(" {}", self.mountpoint()))
            .replace("-r /var/www/app001.zip", &self.archive())
            .replace("9090", &self.port.to_string());
        let file = format!("/etc/uwsgi/vassals/{}.ini", self.name);
        machine.write(file, text, 0o644, Owner::ROOT);
    }

    fn count(&self) -> usize {
        self.written.lock().unwrap().len()
    }

    /// Has the app write one file; notes it when the app has answered.
    fn write(&self, machine: &Machine, name: &str) {
        let path = format!("{}/{name}", self.mountpoint());
        let wrote = format!("wrote {path}\n");
        let answer = machine.http(self.port, &format!("/write?{path}"));
        if answer.is_ok_and(|(status, body)| status == 200 && body == wrote.as_bytes()) {
            self.written.lock().unwrap().insert(name.to_owned());
        }
    }

    fn write_until(&self, machine: &Machine, over: &AtomicBool) {
        let mut number = 0;
        while !over.load(Ordering::SeqCst) {
            number += 1;
            self.write(machine, &format!("file{number}"));
            std::thread::sleep(INTERVAL);
        }
    }

    /// Waits for files of the app that has taken over: the first may still be one that the app before has answered.
    fn wait_for_files(&self, machine: &Machine) {
        let before = self.count();
        machine.wait_for("two further files", LIMIT, || match self.count() {
            count if count >= before + 2 => Ok(()),
            count => Err(format!("{}: {count} files", self.name)),
        });
    }

    /// Has every end come again and again while the app writes.
    fn meet_every_end(&self, machine: &Machine) {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| self.write_until(machine, &over));
            let _over = Over(&over);
            for _ in 0..End::TIMES {
                for end in End::EVERY {
                    self.wait_for_files(machine);
                    end.come(machine, &self.unit());
                    self.ends.fetch_add(1, Ordering::SeqCst);
                }
            }
            self.wait_for_files(machine);
        });
        machine.must(&["systemctl", "stop", &self.unit()]);
    }

    /// The files that the app closed and that are not in the archive, after a test of all that are.
    fn missing(&self, machine: &Machine) -> Vec<String> {
        let program = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); bad = z.testzip(); assert bad is None, bad\n\
                       right = f'written by {sys.argv[2]}\\n'.encode()\n\
                       print(*[n for n in z.namelist() if z.read(n) == right], sep='\\n')";
        let names = machine.must(&["python3", "-c", program, &self.archive(), &self.name]);
        let archived: BTreeSet<String> = names.lines().map(str::to_owned).collect();
        self.written
            .lock()
            .unwrap()
            .difference(&archived)
            .cloned()
            .collect()
    }
}

fn serving(suite: Suite, writers: &[Writer]) -> Machine {
    let machine = machine(suite);
    writers.iter().for_each(|writer| writer.furnish(&machine));
    machine.must(&["systemctl", "daemon-reload"]);
    let units: Vec<String> = writers.iter().map(Writer::unit).collect();
    let units = units.iter().map(String::as_str);
    machine.must(
        &["systemctl", "start"]
            .into_iter()
            .chain(units)
            .collect::<Vec<_>>(),
    );
    machine
}

#[test]
fn two_hundred_stops_crashes_and_restarts_lose_nothing_that_the_app_closed() {
    on_each_suite(|suite| {
        let writers: Vec<Writer> = (0..VASSALS).map(Writer::new).collect();
        let machine = serving(suite, &writers);
        std::thread::scope(|scope| {
            for writer in &writers {
                scope.spawn(|| writer.meet_every_end(&machine));
            }
        });
        let ends: usize = writers
            .iter()
            .map(|writer| writer.ends.load(Ordering::SeqCst))
            .sum();
        let files: usize = writers.iter().map(Writer::count).sum();
        let missing: Vec<_> = writers
            .iter()
            .flat_map(|writer| {
                writer
                    .missing(&machine)
                    .into_iter()
                    .map(|file| (&writer.name, file))
            })
            .collect();
        let lost = missing.len();
        println!(
            "{suite}: {ends} ends of {:?}: {files} files, {lost} missing",
            End::EVERY
        );
        assert!(ends >= ENDS && files >= ends * 2, "{ends} {files}");
        assert!(
            missing.is_empty(),
            "{suite}: of {files}: {missing:?}\n{}",
            machine.state()
        );
    });
}
