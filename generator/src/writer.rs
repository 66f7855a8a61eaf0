//! Writes the results of a run: units into the output directory, and a copy of them for the next run ([`crate::kept`]).

use crate::answer::Wanted;
use crate::drop_in::Text;
use crate::kept::{self, Kept, Store};
use crate::output::Units;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use vassal_config::emperor::name::VassalName;
use vassal_config::emperor::vassals::name_of;
use vassal_escape::printable;
use vassal_escape::unit_name::escape;
use vassal_state::{health, restart_record};

/// Writes the units of one run. Problems are collected in [`Writer::problems`] and do not affect other units.
#[derive(Debug)]
pub struct Writer<'a> {
    root: &'a Path,
    out: &'a Path,
    units: Opened<Units>,
    store: Opened<Store>,
    /// The vassals whose units have been written.
    names: BTreeSet<VassalName>,
    /// The vassals that vassal-emperor had changed before this run began.
    changed: BTreeSet<String>,
    /// One line each.
    pub problems: Vec<String>,
}

/// Something that is opened when it is first written to.
#[derive(Debug)]
enum Opened<T> {
    NotYet,
    Open(T),
    /// It cannot be written, which has been reported.
    Broken,
}

impl<'a> Writer<'a> {
    /// A writer for the machine below `root` that puts units into the directory `out`.
    pub fn new(root: &'a Path, out: &'a Path) -> Self {
        Self {
            root,
            out,
            units: Opened::NotYet,
            store: Opened::NotYet,
            names: BTreeSet::new(),
            changed: kept::live(root),
            problems: Vec::new(),
        }
    }

    /// Writes what emperor.ini asks for beside vassals, and takes over its problems.
    pub fn begin(&mut self, wanted: &Wanted) {
        self.problems.extend(wanted.problems.iter().cloned());
        if let Some(drop_in) = &wanted.statistics {
            self.with_units(|units| units.write_statistics(Some(drop_in)));
        }
    }

    /// Writes all units as they were in the last run, because of `problem`.
    pub fn keep_everything(&mut self, problem: &str) {
        self.problems.push(problem.to_owned());
        kept::each(self.root, |kept| {
            if let Ok(name) = name_of(&kept.file) {
                self.write(&name, &kept, Some(problem));
            }
        });
    }

    /// Whether the vassal's unit has been written.
    pub fn has(&self, name: &VassalName) -> bool {
        self.names.contains(name)
    }

    /// Writes a vassal's unit. `why` is added as a comment where the unit is the one from the last run.
    pub fn write(&mut self, name: &VassalName, kept: &Kept, why: Option<&str>) {
        let old = why.map(|why| Text {
            service: format!(
                "# ERROR: {}; this is what was generated last:\n{}",
                printable(why.as_bytes()),
                kept.text.service
            ),
            socket: kept.text.socket.clone(),
        });
        let text = old.as_ref().unwrap_or(&kept.text);
        let written = self.with_units(|units| Ok(units.write(name, text)));
        if let Some(Err(error)) = written {
            self.problems.push(format!("{}: {error}", name.unit()));
        }
        self.names.insert(name.clone());
        self.with_store(|store| store.add(kept));
    }

    /// Finishes the copy for the next run, and deletes the restart records of vassals that no longer have a file.
    pub fn finish(mut self) -> Vec<String> {
        self.forget_records();
        self.with_store(|_| Ok(()));
        if let Opened::Open(store) = self.store {
            let kept = store.finish(&self.changed);
            self.problems.extend(kept.err().map(|error| not_kept(&error)));
        }
        self.problems
    }

    /// Finishes a run without any unit, as there is no emperor.ini.
    pub fn forget(mut self) -> Vec<String> {
        let forgotten = kept::forget(self.root);
        self.problems
            .extend(forgotten.err().map(|error| error.to_string()));
        self.problems
    }

    fn forget_records(&mut self) {
        let records = self.root.join(restart_record::DIRECTORY.trim_start_matches('/'));
        kept::each(self.root, |kept| {
            let gone = name_of(&kept.file).ok().filter(|name| !self.names.contains(name));
            let Some(name) = gone else { return };
            let instance = escape(name.bytes());
            let forgotten = [
                restart_record::forget(&records, &instance).err(),
                health::forget(&records, &instance).err(),
            ];
            let errors = forgotten.into_iter().flatten();
            self.problems
                .extend(errors.map(|error| format!("{error}, ignoring")));
        });
    }

    /// Writes into the output directory; if that cannot be opened, the error is reported once.
    fn with_units<T>(&mut self, write: impl FnOnce(&Units) -> io::Result<T>) -> Option<T> {
        let written = self
            .units
            .get(|| Units::open(self.out))?
            .and_then(|units| write(units));
        written
            .inspect_err(|error| self.problems.push(format!("{}: {error}", self.out.display())))
            .ok()
    }

    /// Writes to the copy for the next run. If that fails, a file that hangs at the next run costs its vassal its
    /// limits.
    fn with_store(&mut self, keep: impl FnOnce(&mut Store) -> io::Result<()>) {
        let Some(kept) = self.store.get(|| Store::begin(self.root)) else {
            return;
        };
        if let Err(error) = kept.and_then(keep) {
            self.store = Opened::Broken;
            self.problems.push(not_kept(&error));
        }
    }
}

fn not_kept(error: &io::Error) -> String {
    format!("cannot keep what was generated: {error}, ignoring")
}

impl<T> Opened<T> {
    /// The opened value, or the error of opening it; `None` where that error was reported before.
    fn get(&mut self, open: impl FnOnce() -> io::Result<T>) -> Option<io::Result<&mut T>> {
        if let Opened::NotYet = self {
            match open() {
                Ok(opened) => *self = Opened::Open(opened),
                Err(error) => {
                    *self = Opened::Broken;
                    return Some(Err(error));
                }
            }
        }
        match self {
            Opened::Open(opened) => Some(Ok(opened)),
            Opened::NotYet | Opened::Broken => None,
        }
    }
}
