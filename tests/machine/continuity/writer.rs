//! A vassal that may write to its archive, a client that has it write one numbered file after the other, and what is in the
//! archive in the end.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vassal_tests::{Machine, Owner, Suite, fixtures, seed};

use crate::LIMIT;
use crate::client::Over;
use crate::scene::{UNIT, drop_in, machine};

/// The archive, in a directory of the tenant's.
pub const ARCHIVE: &str = "/srv/user001/app001.zip";
/// Between two files.
const INTERVAL: Duration = Duration::from_millis(5);

/// The tutorial's writing vassal: unmounted at exit, so that its daemon commits.
pub fn text() -> String {
    seed::ZIP_ATEXIT.replace("fuse-zip -r /var/www/app001.zip", &format!("fuse-zip {ARCHIVE}"))
}

/// Serves that, or what a test makes of it.
pub fn serving(suite: Suite, text: &str) -> Machine {
    let machine = machine(suite);
    machine.make_dir("/srv/user001", 0o755, Owner::USER001);
    fixtures::zip_app(&machine, ARCHIVE, "app001");
    machine.must(&["chown", "user001:user001", ARCHIVE]);
    drop_in(&machine, text);
    machine.must(&["systemctl", "start", UNIT]);
    machine
}

/// The files of which the app has said that it wrote and closed them.
#[derive(Debug, Default)]
pub struct Written(Mutex<BTreeSet<String>>);

impl Written {
    /// How many.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Waits for one more.
    pub fn wait_for_next(&self, machine: &Machine) {
        let before = self.count();
        machine.wait_for("further file", LIMIT, || match self.count() {
            count if count > before => Ok(()),
            count => Err(format!("{count} files")),
        });
    }

    /// Has the app write one file.
    pub fn write(&self, machine: &Machine, name: &str) -> bool {
        let path = format!("/write?/app/{name}");
        let wrote = format!("wrote /app/{name}\n");
        let is_written = machine
            .http(9090, &path)
            .is_ok_and(|(status, body)| status == 200 && body == wrote.as_bytes());
        if is_written {
            self.0.lock().unwrap().insert(name.to_owned());
        }
        is_written
    }

    /// Has the app write file after file while `during` runs.
    pub fn write_while(&self, machine: &Machine, during: impl FnOnce()) {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut number = 0;
                while !over.load(Ordering::SeqCst) {
                    number += 1;
                    self.write(machine, &format!("file{number}"));
                    std::thread::sleep(INTERVAL);
                }
            });
            let _over = Over(&over);
            during();
        });
    }

    /// Those that are not in the archive.
    pub fn missing_from(&self, archive: &BTreeSet<String>) -> Vec<String> {
        self.0.lock().unwrap().difference(archive).cloned().collect()
    }
}

/// The names of the files in the archive that the app wrote in full, after a test of all.
pub fn archived(machine: &Machine) -> BTreeSet<String> {
    let program = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); bad = z.testzip(); assert bad is None, bad\n\
                   assert z.read('name') == b'app001\\n'\n\
                   print(*[n for n in z.namelist() if z.read(n) == b'written by app001\\n'], sep='\\n')";
    let names = machine.must(&["python3", "-c", program, ARCHIVE]);
    names.lines().map(str::to_owned).collect()
}
