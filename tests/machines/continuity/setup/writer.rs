//! A vassal that may write to its archive, a client that has it write files, and what is in the archive in the end.

use std::collections::BTreeSet;
use std::sync::Mutex;

use vassal_tests::{Machine, Owner, Suite, fixtures, seed};

use crate::setup::scene::{UNIT, drop_in, machine};

/// The archive, in a directory of the tenant's.
pub const ARCHIVE: &str = "/srv/user001/app001.zip";

/// The tutorial's writing vassal: unmounted at exit, so that its daemon commits.
pub fn text() -> String {
    seed::ZIP_ATEXIT.replace("fuse-zip -r /var/www/app001.zip", &format!("fuse-zip {ARCHIVE}"))
}

/// A machine with the archive.
pub fn with_archive(suite: Suite) -> Machine {
    let machine = machine(suite);
    machine.make_dir("/srv/user001", 0o755, Owner::USER001);
    fixtures::zip_app(&machine, ARCHIVE, "app001");
    machine.must(&["chown", "user001:user001", ARCHIVE]);
    machine
}

/// Serves that, or what a test makes of it.
pub fn serving(suite: Suite, text: &str) -> Machine {
    let machine = with_archive(suite);
    drop_in(&machine, text);
    machine.must(&["systemctl", "start", UNIT]);
    machine
}

/// The files of which the app has said that it wrote and closed them.
#[derive(Debug, Default)]
pub struct Written(Mutex<BTreeSet<String>>);

impl Written {
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
}

/// The names of the files in the archive that the app wrote in full, after a test of all.
pub fn archived(machine: &Machine) -> BTreeSet<String> {
    let program = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); bad = z.testzip(); assert bad is None, bad\n\
                   assert z.read('name') == b'app001\\n'\n\
                   print(*[n for n in z.namelist() if z.read(n) == b'written by app001\\n'], sep='\\n')";
    let names = machine.must(&["python3", "-c", program, ARCHIVE]);
    names.lines().map(str::to_owned).collect()
}
