//! The emperor's data, and its decision: collects files, units and record, and decides which steps to take.

use crate::drop_ins::{DropIns, vassal_of};
use crate::memory::{Memory, Place};
use crate::orders::{Order, Outcome, Verb};
use crate::reconcile::{FileState, Situation, Step, reconcile};
use crate::report::Reporter;
use crate::situation::{Files, Units};
use crate::source::answer::{Answer, Cache, CachedFile, Found, Watched};
use crate::source::ask::ask;
use crate::systemd1::Systemd;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;
use vassal_config::emperor::name::VassalName;

/// The emperor.
#[derive(Debug)]
pub struct Emperor {
    /// Where the record is stored; `None` in a dry run.
    pub(crate) place: Option<Place>,
    pub(crate) drop_ins: DropIns,
    pub(crate) memory: Memory,
    cache: Cache,
    /// Which files are being written or have just disappeared.
    pub files: Files,
    /// The sources of drop-ins that are not written yet: the place in the emperor's file, and the file's path.
    pub(crate) sources: BTreeMap<VassalName, (Vec<u8>, Vec<u8>)>,
    /// The vassals for which an order to systemd is under way, with its step.
    pub(crate) busy: BTreeMap<VassalName, Step>,
    /// Those of them whose files have changed since the order was given.
    changed_meanwhile: BTreeSet<VassalName>,
    /// Whether a daemon-reload is due as soon as no vassal is being stopped any more.
    pub(crate) owes_reload: bool,
    /// Whether no pass is complete yet. If vassals.target is being started during the first pass, all vassals are being
    /// started.
    pub(crate) is_new: bool,
    pub(crate) reporter: Reporter,
}

/// The result of a pass over files and units.
#[derive(Debug, Default)]
pub struct Decision {
    /// The steps to take.
    pub steps: Vec<Step>,
    /// When another pass is due even if nothing changes.
    pub again: Option<Instant>,
    /// The directories and names to watch.
    pub watched: Vec<Watched>,
}

impl Emperor {
    /// With the stored record.
    pub fn new(place: Option<Place>, drop_ins: DropIns, memory: Memory, reporter: Reporter) -> Self {
        Self {
            place,
            drop_ins,
            memory,
            cache: Cache::default(),
            files: Files::default(),
            sources: BTreeMap::new(),
            busy: BTreeMap::new(),
            changed_meanwhile: BTreeSet::new(),
            owes_reload: false,
            is_new: true,
            reporter,
        }
    }

    /// Reads the files as they are now.
    ///
    /// # Errors
    /// When they cannot be read. Then nothing is known of them, and no step is taken.
    pub fn read_files(&self) -> Result<Answer, String> {
        ask(&self.cache).map_err(|error| format!("cannot read the vassals' files: {error}"))
    }

    /// Compares files, units and record, and decides on the steps; `answer` is the present state of the files.
    ///
    /// # Errors
    /// When the units cannot be listed. Then nothing is known of them, and no step is taken.
    pub fn decide(&mut self, answer: Answer, systemd: &Systemd) -> Result<Decision, String> {
        let watched = answer.watched.clone();
        self.reporter.report_problems(&answer);
        if answer.unusable.is_some() {
            return Ok(Decision {
                watched,
                ..Decision::default()
            });
        }
        if self.place.is_some() {
            self.apply_statistics(answer.statistics.as_deref(), systemd)?;
        }
        let no_units = |error| format!("systemd does not tell its units: {error}");
        let mut units = Units::list(systemd).map_err(no_units)?;
        let generated = self.drop_ins.vassals().map_err(|error| error.to_string())?;
        let memory = self.memory.vassals.clone();
        let known = memory
            .keys()
            .chain(&generated)
            .chain(units.vassals.keys())
            .cloned();
        let (files, again) = self.files.states(&answer, known.collect(), Instant::now());
        let new = files.iter().filter_map(|(name, state)| match state {
            FileState::File(file) if !memory.contains_key(name) => Some((name, file)),
            _ => None,
        });
        units.read_dates(systemd, new);
        self.note_changes(&files);
        let steps = reconcile(&Situation {
            files,
            units: units.vassals,
            memory,
            generated,
            busy: self.busy.keys().cloned().collect(),
            target_starts: self.is_new && units.target_starts,
        });
        self.cache_files(answer);
        Ok(Decision {
            steps,
            again,
            watched,
        })
    }

    /// Records which files have changed while an order for their vassal is under way.
    fn note_changes(&mut self, files: &BTreeMap<VassalName, FileState>) {
        let has_changed = |(name, step): &(&VassalName, &Step)| match files.get(*name) {
            Some(FileState::File(file)) => Some(file.stamp) != step.stamp,
            Some(FileState::Unknown) | None => true,
        };
        let changed_meanwhile = self.busy.iter().filter(has_changed);
        self.changed_meanwhile
            .extend(changed_meanwhile.map(|(name, _)| name.clone()));
    }

    /// Keeps two things for the next passes: the sources of drop-ins that are still to be written, and the state of all
    /// other files, which are not read again while their dates are the same.
    fn cache_files(&mut self, answer: Answer) {
        let sources = answer
            .files
            .iter()
            .filter_map(|(name, listed)| match &listed.found {
                Found::File(content) if content.drop_in.is_some() => {
                    Some((name.clone(), (listed.place.clone(), listed.file.clone())))
                }
                Found::File(_) | Found::NoFile | Found::Unreadable(_) => None,
            });
        self.sources = sources.collect();
        let files = answer
            .files
            .into_values()
            .filter_map(|listed| match listed.found {
                // A drop-in that is not written yet has to be made once more.
                Found::File(content) if content.drop_in.is_none() => {
                    let before = CachedFile {
                        dates: content.dates,
                        content: content.stamp.content,
                        socket: content.socket,
                    };
                    Some((listed.file, before))
                }
                Found::File(_) | Found::NoFile | Found::Unreadable(_) => None,
            });
        self.cache = Cache {
            settings: answer.settings,
            files: files.collect(),
        };
    }

    /// Whether the outcome of an order makes another pass necessary.
    pub fn needs_pass(&mut self, order: &Order, outcome: &Outcome) -> bool {
        let has_changed =
            vassal_of(&order.unit).is_some_and(|(name, _)| self.changed_meanwhile.remove(&name));
        let is_done = matches!(outcome, Outcome::Accepted | Outcome::Done);
        // The remains of a vassal are removed after its stop.
        has_changed || !is_done || order.verb == Verb::Stop
    }

    /// Reports that a pass has failed.
    pub fn pass_failed(&mut self, why: &str) {
        self.reporter.warn(&format!("{why}; trying again"));
    }
}
