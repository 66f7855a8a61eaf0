//! Declares custom options and runs them (K1 to K3).

use crate::diagnostic::{Diagnostic, quote};
use crate::language::evaluation::custom::{Custom, Part};
use crate::language::evaluation::entry::Entry;
use crate::language::evaluation::evaluator::{Evaluator, Outcome};
use crate::limits;
use crate::options::lookup::find;

impl Evaluator<'_> {
    /// Declares an option (K1, K3).
    pub(crate) fn declare(&mut self, entry: &Entry, value: &[u8]) -> Outcome {
        let Some(custom) = Custom::parse(value) else {
            let what = format!("{} takes NAME=TEMPLATE, not {}", quote(&entry.key), quote(value));
            return self.refuse(&entry.origin, what);
        };
        if find(&custom.name).is_some() {
            let what = format!(
                "{} is an option of uWSGI and stays what it is, ignoring",
                quote(&custom.name)
            );
            self.warn(Diagnostic::warning(Some(entry.origin.clone()), what));
        }
        self.customs.declare(custom);
        Ok(())
    }

    /// Runs a declared option: its parts are executed, and not added to the list (K2).
    pub(crate) fn run_custom(&mut self, custom: &Custom, entry: &Entry) -> Outcome {
        if self.custom_depth >= limits::CUSTOM_DEPTH {
            return self.refuse(
                &entry.origin,
                format!("declared option {} runs itself", quote(&custom.name)),
            );
        }
        let parts = self.parts_of(custom, entry)?;
        self.custom_depth += 1;
        for (key, value) in parts {
            let part = Entry::new(key, Some(value), entry.origin.clone());
            match self.known(&part.key) {
                Some(known) => self.run(&known, &part)?,
                None if self.is_strict => self.unknown_in_strict_mode(&part)?,
                None => {}
            }
        }
        self.custom_depth -= 1;
        Ok(())
    }

    /// The parts of a declared option; counts their cost against the limit.
    fn parts_of(&mut self, custom: &Custom, entry: &Entry) -> Outcome<Vec<Part>> {
        let value = entry.value.as_deref().unwrap_or_default();
        self.custom_bytes += custom.effort(value).saturating_add(limits::CUSTOM_STEP);
        if self.custom_bytes <= limits::CUSTOM_BYTES {
            if let Ok(parts) = custom.parts(value) {
                self.custom_bytes += parts
                    .iter()
                    .map(|(key, value)| key.len() + value.len())
                    .sum::<usize>();
                return Ok(parts);
            }
        }
        self.refuse(
            &entry.origin,
            format!("declared option {} runs too long", quote(&custom.name)),
        )
    }
}
