//! Carries out the steps: writes drop-ins, makes systemd load them, removes what is left of vassals, and stores the record.
//! Steps that need a job of systemd become orders.

use crate::emperor::Emperor;
use crate::orders::Order;
use crate::reconcile::{Action, Remembered, Step};
use crate::situation::TARGET;
use crate::systemd1::Systemd;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use vassal_config::emperor::name::VassalName;
use vassal_config::emperor::on_demand::answer_of;
use vassal_escape::unit_name::escape;
use vassal_generator::drop_in::Text;
use vassal_generator::kept::{self, Kept};
use vassal_generator::output::STATISTICS;
use vassal_state::restart_record;

impl Emperor {
    /// Carries out the steps that need no job of systemd, and returns the orders for the others.
    ///
    /// # Errors
    /// When a drop-in cannot be written, or systemd cannot reload its units.
    pub fn act(&mut self, steps: Vec<Step>, systemd: &Systemd) -> Result<Vec<Order>, String> {
        self.write(&steps)?;
        self.reload_if_due(systemd)?;
        let mut orders = Vec::new();
        let mut erased = BTreeSet::new();
        for step in steps {
            match Order::of(&step) {
                Some(order) => orders.push((order, step)),
                None => self.act_at_once(&step, &mut erased, systemd)?,
            }
        }
        let stops = orders.iter().any(|(_, step)| step.action == Action::Stop);
        self.unload_erased(&erased, stops, systemd)?;
        self.is_new = false;
        self.store()?;
        // At the end, because a vassal that is busy is skipped until the outcome of its order is known.
        let busy = |(order, step): (Order, Step)| {
            self.busy.insert(step.name.clone(), step);
            order
        };
        Ok(orders.into_iter().map(busy).collect())
    }

    /// Carries out one step that needs no job. Adds the units that are erased but still loaded to `erased`.
    fn act_at_once(
        &mut self,
        step: &Step,
        erased: &mut BTreeSet<String>,
        systemd: &Systemd,
    ) -> Result<(), String> {
        match step.action {
            Action::Renew => {
                self.forget_attempts(&step.name);
                systemd.reset_failed(&step.name.unit());
                self.remember(step, None);
            }
            Action::Erase => {
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
        let due = steps.iter().filter(|step| step.action != Action::Reload);
        let texts: Vec<(&Step, &Text)> = due
            .filter_map(|step| Some((step, step.drop_in.as_ref()?)))
            .collect();
        if texts.is_empty() {
            return Ok(());
        }
        if texts.iter().any(|(step, _)| step.is_loaded) {
            self.memory.owes_reload = true;
            self.store()?;
        }
        for (step, text) in texts {
            let written = self.write_one(&step.name, text);
            written
                .map_err(|error| format!("cannot write the drop-in of '{}': {error}", step.name.unit()))?;
        }
        self.drop_ins
            .renew_cache()
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
    fn reload_if_due(&mut self, systemd: &Systemd) -> Result<(), String> {
        if !self.memory.owes_reload {
            return Ok(());
        }
        systemd
            .daemon_reload()
            .map_err(|error| format!("systemd does not read its units: {error}"))?;
        self.memory.owes_reload = false;
        self.owes_reload = false;
        self.store()
    }

    fn erase(&mut self, step: &Step) -> Result<(), String> {
        let erased = self.drop_ins.erase(&step.name);
        erased.map_err(|error| format!("cannot remove the drop-in of '{}': {error}", step.name.unit()))?;
        kept::change(Path::new("/"), &step.name, None)
            .map_err(|error| format!("cannot keep that '{}' is gone: {error}", step.name.unit()))?;
        self.forget_attempts(&step.name);
        // The file exists only with `emperor-on-demand-exec`.
        fs::remove_file(answer_of(&step.name)).ok();
        self.memory.vassals.remove(&step.name);
        self.reporter.clear_error(&step.name);
        Ok(())
    }

    /// Removes the record of failed attempts.
    fn forget_attempts(&mut self, name: &VassalName) {
        let forgotten = restart_record::forget(Path::new(restart_record::DIRECTORY), &escape(name.bytes()));
        if let Err(error) = forgotten {
            self.reporter.warn(&format!("{error}, ignoring"));
        }
    }

    /// Makes the daemon-reload that removes erased units from systemd's memory. A unit that the target wanted when
    /// systemd last loaded its units stays loaded until the next daemon-reload, even if nothing is left of it.
    fn unload_erased(
        &mut self,
        erased: &BTreeSet<String>,
        stops: bool,
        systemd: &Systemd,
    ) -> Result<(), String> {
        if !erased.is_empty() {
            let wants = systemd
                .path_of(TARGET)
                .and_then(|path| systemd.property::<Vec<String>>(&path, "Wants"))
                .map_err(|error| format!("systemd does not tell what '{TARGET}' wants: {error}"))?;
            self.owes_reload |= wants.iter().any(|unit| erased.contains(unit));
        }
        let stops = stops || self.busy.values().any(|step| step.action == Action::Stop);
        if self.owes_reload && !stops {
            self.memory.owes_reload = true;
            self.reload_if_due(systemd)?;
        }
        Ok(())
    }

    pub(crate) fn remember(&mut self, step: &Step, error: Option<String>) {
        if let Some(stamp) = step.stamp {
            let remembered = Remembered {
                stamp,
                error,
                socket: step.socket,
            };
            self.memory.vassals.insert(step.name.clone(), remembered);
        }
    }

    fn store(&mut self) -> Result<(), String> {
        let kept = self
            .place
            .as_ref()
            .map_or(Ok(()), |place| place.store(&self.memory));
        kept.map_err(|error| format!("cannot keep what was done: {error}"))
    }

    /// Makes systemd listen at the address of `emperor-stats`, or stop listening when the option is gone.
    pub(crate) fn apply_statistics(
        &mut self,
        drop_in: Option<&str>,
        systemd: &Systemd,
    ) -> Result<(), String> {
        let written = self.drop_ins.write_statistics(drop_in);
        let is_new =
            written.map_err(|error| format!("cannot write the drop-in of '{STATISTICS}': {error}"))?;
        if !is_new {
            return Ok(());
        }
        self.memory.owes_reload = true;
        self.reload_if_due(systemd)?;
        let done = match drop_in {
            Some(_) => systemd.restart(STATISTICS),
            None => systemd.stop(STATISTICS),
        };
        if let Err(error) = done {
            self.reporter.warn(&format!("'{STATISTICS}': {error}, ignoring"));
        }
        Ok(())
    }

    /// Ends a pass: makes systemd load what was written, stores the record, and updates the status.
    pub fn finish(&mut self, systemd: &Systemd) {
        let kept = self.reload_if_due(systemd).and_then(|()| self.store());
        if let Err(why) = kept {
            self.reporter.warn(&format!("{why}; trying again"));
        }
        self.reporter.status(self.memory.vassals.len());
    }
}
