//! What a run writes: units into the output directory, and beside it what is kept for the next run.

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

/// The units of one run. What goes wrong is told in [`Writer::problems`], and spoils nothing else.
#[derive(Debug)]
pub struct Writer<'a> {
    root: &'a Path,
    out: &'a Path,
    units: Opened<Units>,
    store: Opened<Store>,
    /// The vassals that have a unit.
    names: BTreeSet<VassalName>,
    /// What the emperor had changed when the run began.
    changed: BTreeSet<String>,
    /// Line by line.
    pub problems: Vec<String>,
}

/// What is opened when there is something to write.
#[derive(Debug)]
enum Opened<T> {
    NotYet,
    Open(T),
    /// It cannot be written, which was told.
    Broken,
}

impl<'a> Writer<'a> {
    /// That of the machine below `root`, into the directory at `out`.
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

    /// Begins with what the emperor's file says that is no vassal's.
    pub fn begin(&mut self, wanted: &Wanted) {
        self.problems.extend(wanted.problems.iter().cloned());
        if let Some(drop_in) = &wanted.statistics {
            self.with_units(|units| units.write_statistics(Some(drop_in)));
        }
    }

    /// Writes every unit as it was, because of `problem`.
    pub fn keep_everything(&mut self, problem: &str) {
        self.problems.push(problem.to_owned());
        kept::each(self.root, |kept| {
            if let Ok(name) = name_of(&kept.file) {
                self.write(&name, &kept, Some(problem));
            }
        });
    }

    /// Whether the vassal has a unit.
    pub fn has(&self, name: &VassalName) -> bool {
        self.names.contains(name)
    }

    /// Writes a vassal's unit, and says in it why it is as it was last time.
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

    /// Ends with what is kept for the next run, and forgets the restarts of vassals that have no file any more.
    pub fn finish(mut self) -> Vec<String> {
        self.forget_records();
        self.with_store(|_| Ok(()));
        if let Opened::Open(store) = self.store {
            let kept = store.finish(&self.changed);
            self.problems.extend(kept.err().map(|error| not_kept(&error)));
        }
        self.problems
    }

    /// Ends without any unit, as there is no emperor's file.
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

    /// Writes into the output directory, unless that cannot be opened, which is told once.
    fn with_units<T>(&mut self, write: impl FnOnce(&Units) -> io::Result<T>) -> Option<T> {
        let written = self
            .units
            .get(|| Units::open(self.out))?
            .and_then(|units| write(units));
        written
            .inspect_err(|error| self.problems.push(format!("{}: {error}", self.out.display())))
            .ok()
    }

    /// Keeps something. When that has failed once, the next hang costs its vassal the limits it has.
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
    /// What is open, or why it cannot be, and nothing where that was told.
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
