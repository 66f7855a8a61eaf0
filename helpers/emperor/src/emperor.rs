//! The emperor's work: collect the data, decide, carry out the steps, and record what was done.

use crate::drop_ins::{DropIns, vassal_of};
use crate::memory::{Memory, Place};
use crate::orders::{Order, Outcome, Verb};
use crate::reconcile::{Does, Remembered, Situation, Step, Wish, reconcile};
use crate::situation::{Files, TARGET, Units};
use crate::source::answer::{Answer, Before, Known, Seen, Watched};
use crate::source::ask::ask;
use crate::systemd1::Systemd;
use crate::tell::Teller;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::time::Instant;
use vassal_config::emperor::name::VassalName;
use vassal_config::emperor::on_demand::answer_of;
use vassal_escape::unit_name::escape;
use vassal_generator::drop_in::Text;
use vassal_generator::kept::{self, Kept};
use vassal_generator::output::STATISTICS;
use vassal_state::restart_record;

/// The emperor.
#[derive(Debug)]
pub struct Emperor {
    /// Where the record is stored; `None` in a dry run.
    place: Option<Place>,
    pub(crate) drop_ins: DropIns,
    pub(crate) memory: Memory,
    known: Known,
    /// Which files are being written or have just disappeared.
    pub files: Files,
    /// The sources of drop-ins that are not written yet: the place in the emperor's file, and the file's path.
    sources: BTreeMap<VassalName, (Vec<u8>, Vec<u8>)>,
    /// The vassals for which an order to systemd is under way, with its step.
    pub(crate) busy: BTreeMap<VassalName, Step>,
    /// Those of them whose files have changed since the order was given.
    passed_over: BTreeSet<VassalName>,
    /// Whether a daemon-reload is due as soon as no vassal is being stopped any more.
    owes_reload: bool,
    /// Whether no pass is complete yet. If vassals.target is being started during the first pass, all vassals are being
    /// started.
    is_new: bool,
    pub(crate) teller: Teller,
}

/// The result of a pass over files and units.
#[derive(Debug, Default)]
pub struct Looked {
    /// The steps to take.
    pub steps: Vec<Step>,
    /// When another pass is due even if nothing changes.
    pub again: Option<Instant>,
    /// The directories and names to watch.
    pub watched: Vec<Watched>,
}

impl Emperor {
    /// With the stored record.
    pub fn new(place: Option<Place>, drop_ins: DropIns, memory: Memory, teller: Teller) -> Self {
        Self {
            place,
            drop_ins,
            memory,
            known: Known::default(),
            files: Files::default(),
            sources: BTreeMap::new(),
            busy: BTreeMap::new(),
            passed_over: BTreeSet::new(),
            owes_reload: false,
            is_new: true,
            teller,
        }
    }

    /// Reads the files as they are now.
    ///
    /// # Errors
    /// When they cannot be read. Then nothing is known of them, and no step is taken.
    pub fn read_files(&self) -> Result<Answer, String> {
        ask(&self.known).map_err(|error| format!("cannot read the vassals' files: {error}"))
    }

    /// Compares files, units and record, and decides on the steps; `answer` is the present state of the files.
    ///
    /// # Errors
    /// When the units cannot be listed. Then nothing is known of them, and no step is taken.
    pub fn look(&mut self, answer: Answer, systemd: &Systemd) -> Result<Looked, String> {
        let watched = answer.watched.clone();
        self.teller.problems(&answer);
        if answer.unusable.is_some() {
            return Ok(Looked {
                watched,
                ..Looked::default()
            });
        }
        if self.place.is_some() {
            self.follow_statistics(answer.statistics.as_deref(), systemd)?;
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
        let (wishes, again) = self.files.wishes(&answer, known.collect(), Instant::now());
        let new = wishes.iter().filter_map(|(name, wish)| match wish {
            Wish::File(file) if !memory.contains_key(name) => Some((name, file)),
            _ => None,
        });
        units.date(systemd, new);
        self.pass_over(&wishes);
        let steps = reconcile(&Situation {
            wishes,
            units: units.vassals,
            memory,
            generated,
            busy: self.busy.keys().cloned().collect(),
            target_starts: self.is_new && units.target_starts,
        });
        self.learn(answer);
        Ok(Looked {
            steps,
            again,
            watched,
        })
    }

    /// Records which files have changed while an order for their vassal is under way.
    fn pass_over(&mut self, wishes: &BTreeMap<VassalName, Wish>) {
        let is_passed_over = |(name, step): &(&VassalName, &Step)| match wishes.get(*name) {
            Some(Wish::File(file)) => Some(file.stamp) != step.stamp,
            Some(Wish::Unknown) | None => true,
        };
        let passed_over = self.busy.iter().filter(is_passed_over);
        self.passed_over.extend(passed_over.map(|(name, _)| name.clone()));
    }

    /// Makes systemd listen at the address of `emperor-stats`, or stop listening when the option is gone.
    fn follow_statistics(&mut self, drop_in: Option<&str>, systemd: &Systemd) -> Result<(), String> {
        let written = self.drop_ins.write_statistics(drop_in);
        let is_new =
            written.map_err(|error| format!("cannot write the drop-in of '{STATISTICS}': {error}"))?;
        if !is_new {
            return Ok(());
        }
        self.memory.owes_reload = true;
        self.settle(systemd)?;
        let done = match drop_in {
            Some(_) => systemd.restart(STATISTICS),
            None => systemd.stop(STATISTICS),
        };
        if let Err(error) = done {
            self.teller.warn(&format!("'{STATISTICS}': {error}, ignoring"));
        }
        Ok(())
    }

    /// Keeps two things for the next passes: the sources of drop-ins that are still to be written, and the state of all
    /// other files, which are not read again while their dates are the same.
    fn learn(&mut self, answer: Answer) {
        let sources = answer
            .files
            .iter()
            .filter_map(|(name, listed)| match &listed.found {
                Seen::File(content) if content.drop_in.is_some() => {
                    Some((name.clone(), (listed.place.clone(), listed.file.clone())))
                }
                Seen::File(_) | Seen::NoFile | Seen::Unreadable(_) => None,
            });
        self.sources = sources.collect();
        let files = answer
            .files
            .into_values()
            .filter_map(|listed| match listed.found {
                // A drop-in that is not written yet has to be made once more.
                Seen::File(content) if content.drop_in.is_none() => {
                    let before = Before {
                        dates: content.dates,
                        content: content.stamp.content,
                        socket: content.socket,
                    };
                    Some((listed.file, before))
                }
                Seen::File(_) | Seen::NoFile | Seen::Unreadable(_) => None,
            });
        self.known = Known {
            settings: answer.settings,
            files: files.collect(),
        };
    }

    /// Carries out the steps that need no job of systemd, and returns the orders for the others.
    ///
    /// # Errors
    /// When a drop-in cannot be written, or systemd cannot reload its units.
    pub fn act(&mut self, steps: Vec<Step>, systemd: &Systemd) -> Result<Vec<Order>, String> {
        self.write(&steps)?;
        self.settle(systemd)?;
        let mut orders = Vec::new();
        let mut erased = BTreeSet::new();
        for step in steps {
            match Order::of(&step) {
                Some(order) => orders.push((order, step)),
                None => self.do_at_once(&step, &mut erased, systemd)?,
            }
        }
        let stops = orders.iter().any(|(_, step)| step.does == Does::Stop);
        self.unwant(&erased, stops, systemd)?;
        self.is_new = false;
        self.keep()?;
        // At the end, because a vassal that is busy is skipped until the outcome of its order is known.
        let busy = |(order, step): (Order, Step)| {
            self.busy.insert(step.name.clone(), step);
            order
        };
        Ok(orders.into_iter().map(busy).collect())
    }

    /// Carries out one step that needs no job. Adds the units that are erased but still loaded to `erased`.
    fn do_at_once(
        &mut self,
        step: &Step,
        erased: &mut BTreeSet<String>,
        systemd: &Systemd,
    ) -> Result<(), String> {
        match step.does {
            Does::Renew => {
                self.forget(&step.name);
                systemd.reset_failed(&step.name.unit());
                self.remember(step, None);
            }
            Does::Erase => {
                self.erase(step)?;
                if step.is_loaded {
                    erased.extend([step.name.unit(), step.name.socket()]);
                }
            }
            _ => self.remember(step, None),
        }
        Ok(())
    }

    /// Writes the drop-ins of `steps`, except for reloads: their drop-ins are written when the reload has accepted the
    /// file.
    fn write(&mut self, steps: &[Step]) -> Result<(), String> {
        let due = steps.iter().filter(|step| step.does != Does::Reload);
        let texts: Vec<(&Step, &Text)> = due
            .filter_map(|step| Some((step, step.drop_in.as_ref()?)))
            .collect();
        if texts.is_empty() {
            return Ok(());
        }
        if texts.iter().any(|(step, _)| step.is_loaded) {
            self.memory.owes_reload = true;
            self.keep()?;
        }
        for (step, text) in texts {
            let written = self.write_one(&step.name, text);
            written
                .map_err(|error| format!("cannot write the drop-in of '{}': {error}", step.name.unit()))?;
        }
        self.drop_ins
            .announce()
            .map_err(|error| format!("cannot announce the drop-ins: {error}"))
    }

    /// Writes the drop-ins of a vassal twice: for systemd, and as a copy that the generator uses if the file cannot be
    /// read at the next daemon-reload.
    pub(crate) fn write_one(&self, name: &VassalName, text: &Text) -> io::Result<()> {
        if let Some((place, file)) = self.sources.get(name) {
            let kept = Kept {
                place: place.clone(),
                file: file.clone(),
                text: text.clone(),
            };
            kept::change(Path::new("/"), name, Some(&kept))?;
        }
        self.drop_ins.write(name, text)
    }

    /// Makes systemd reload all units if a drop-in of a loaded unit was written. systemd has no way to reload one unit.
    fn settle(&mut self, systemd: &Systemd) -> Result<(), String> {
        if !self.memory.owes_reload {
            return Ok(());
        }
        systemd
            .daemon_reload()
            .map_err(|error| format!("systemd does not read its units: {error}"))?;
        self.memory.owes_reload = false;
        self.owes_reload = false;
        self.keep()
    }

    fn erase(&mut self, step: &Step) -> Result<(), String> {
        let erased = self.drop_ins.erase(&step.name);
        erased.map_err(|error| format!("cannot remove the drop-in of '{}': {error}", step.name.unit()))?;
        kept::change(Path::new("/"), &step.name, None)
            .map_err(|error| format!("cannot keep that '{}' is gone: {error}", step.name.unit()))?;
        self.forget(&step.name);
        // The file exists only with `emperor-on-demand-exec`.
        fs::remove_file(answer_of(&step.name)).ok();
        self.memory.vassals.remove(&step.name);
        self.teller.untrouble(&step.name);
        Ok(())
    }

    /// Removes the record of failed attempts.
    fn forget(&mut self, name: &VassalName) {
        let forgotten = restart_record::forget(Path::new(restart_record::DIRECTORY), &escape(name.bytes()));
        if let Err(error) = forgotten {
            self.teller.warn(&format!("{error}, ignoring"));
        }
    }

    /// Makes the daemon-reload that removes erased units from systemd's memory. A unit that the target wanted when
    /// systemd last loaded its units stays loaded until the next daemon-reload, even if nothing is left of it.
    fn unwant(&mut self, erased: &BTreeSet<String>, stops: bool, systemd: &Systemd) -> Result<(), String> {
        if !erased.is_empty() {
            let wants = systemd
                .path_of(TARGET)
                .and_then(|path| systemd.property::<Vec<String>>(&path, "Wants"))
                .map_err(|error| format!("systemd does not tell what '{TARGET}' wants: {error}"))?;
            self.owes_reload |= wants.iter().any(|unit| erased.contains(unit));
        }
        let stops = stops || self.busy.values().any(|step| step.does == Does::Stop);
        if self.owes_reload && !stops {
            self.memory.owes_reload = true;
            self.settle(systemd)?;
        }
        Ok(())
    }

    pub(crate) fn remember(&mut self, step: &Step, trouble: Option<String>) {
        if let Some(stamp) = step.stamp {
            let remembered = Remembered {
                stamp,
                trouble,
                socket: step.socket,
            };
            self.memory.vassals.insert(step.name.clone(), remembered);
        }
    }

    fn keep(&mut self) -> Result<(), String> {
        let kept = self
            .place
            .as_ref()
            .map_or(Ok(()), |place| place.store(&self.memory));
        kept.map_err(|error| format!("cannot keep what was done: {error}"))
    }

    /// Whether the outcome of an order makes another pass necessary.
    pub fn is_news(&mut self, order: &Order, outcome: &Outcome) -> bool {
        let is_passed_over = vassal_of(&order.unit).is_some_and(|(name, _)| self.passed_over.remove(&name));
        let is_done = matches!(outcome, Outcome::Accepted | Outcome::Done);
        // The remains of a vassal are removed after its stop.
        is_passed_over || !is_done || order.verb == Verb::Stop
    }

    /// Ends a pass: makes systemd load what was written, stores the record, and updates the status.
    pub fn finish(&mut self, systemd: &Systemd) {
        let kept = self.settle(systemd).and_then(|()| self.keep());
        if let Err(why) = kept {
            self.teller.warn(&format!("{why}; trying again"));
        }
        self.teller.status(self.memory.vassals.len());
    }

    /// Reports that a pass has failed.
    pub fn failed(&mut self, why: &str) {
        self.teller.warn(&format!("{why}; trying again"));
    }
}
