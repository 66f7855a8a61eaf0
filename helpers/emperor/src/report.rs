//! The emperor's messages: its status line, its lines in the journal, and an event for a file that cannot be put into
//! effect.

use crate::source::answer::{Answer, Found};
use libsystemd::daemon::{NotifyState, notify};
use std::collections::{BTreeMap, BTreeSet};
use vassal_config::emperor::name::VassalName;
use vassal_escape::{printable, shortened};
use vassal_systemd::events::REFUSED;
use vassal_systemd::journal::{Event, Journal, Priority, log};

/// How many errors the status line names.
const NAMED: usize = 3;
/// The longest text of one of them, in bytes.
const LONGEST: usize = 300;

/// Sends the messages.
#[derive(Debug)]
pub struct Reporter {
    journal: Journal,
    /// The present error of each vassal, without values that only root may read.
    errors: BTreeMap<VassalName, String>,
    /// Why the emperor's file cannot be used.
    unusable: Option<String>,
    /// The warnings about files that were reported already.
    problems: BTreeSet<String>,
    status: String,
}

impl Reporter {
    /// With the errors that were recorded before.
    pub fn new(errors: BTreeMap<VassalName, String>) -> Self {
        Self {
            journal: Journal::connect("vassal-emperor"),
            errors,
            unusable: None,
            problems: BTreeSet::new(),
            status: String::new(),
        }
    }

    /// Reports a failure that will be tried again, or is ignored.
    pub fn warn(&self, message: &str) {
        log(Priority::Warning, message);
    }

    /// Reports what was done with a vassal.
    pub fn done(&self, name: &VassalName, what: &str) {
        log(Priority::Info, &format!("{}: {what}", printable(name.bytes())));
    }

    /// Reports the warnings and errors about files, each once.
    pub fn report_problems(&mut self, answer: &Answer) {
        let of_files = answer
            .files
            .iter()
            .flat_map(|(name, listed)| match &listed.found {
                Found::File(content) => content.problems.clone(),
                Found::NoFile => Vec::new(),
                Found::Unreadable(why) => vec![format!("{}: {why}", printable(&name.file()))],
            });
        let found: BTreeSet<String> = answer.problems.iter().cloned().chain(of_files).collect();
        for problem in found.difference(&self.problems) {
            log(Priority::Warning, problem);
        }
        self.problems = found;
        if let Some(why) = &answer.unusable {
            if self.unusable.as_ref() != Some(why) {
                log(Priority::Error, &format!("{why}; all vassals stay as they are"));
            }
        }
        self.unusable.clone_from(&answer.unusable);
    }

    /// Reports that a vassal's file cannot be put into effect and that the vassal keeps running unchanged. Returns the
    /// text to record.
    pub fn file_unusable(&mut self, name: &VassalName, why: &str, public: &str) -> String {
        let shown = printable(name.bytes());
        let unit = name.unit();
        let message = format!("{shown}: its file cannot be used, it runs on as it was: {why}");
        let fields = [("VASSAL", shown.as_str()), ("VASSAL_UNIT", unit.as_str())];
        self.journal.write(&Event {
            priority: Priority::Error,
            id: REFUSED,
            message: &message,
            fields: &fields,
        });
        self.errors.insert(name.clone(), public.to_owned());
        public.to_owned()
    }

    /// Reports that systemd refuses an order, once for each reason.
    pub fn refused(&mut self, name: &VassalName, why: &str) {
        let before = self.errors.insert(name.clone(), why.to_owned());
        if before.as_deref() != Some(why) {
            log(Priority::Warning, &format!("{}: {why}", printable(name.bytes())));
        }
    }

    /// Removes the error of a vassal.
    pub fn clear_error(&mut self, name: &VassalName) {
        self.errors.remove(name);
    }

    /// Updates the status line with the number of vassals and their errors, if it has changed.
    pub fn status(&mut self, count: usize) {
        let status = self.text(count);
        if status != self.status {
            let sent = notify(false, &[NotifyState::Ready, NotifyState::Status(status.clone())]);
            if let Err(error) = sent {
                log(Priority::Warning, &format!("cannot notify systemd: {error}"));
            }
            self.status = status;
        }
    }

    fn text(&self, count: usize) -> String {
        if let Some(why) = &self.unusable {
            return shortened(&format!("{why}; all vassals stay as they are"), LONGEST);
        }
        let vassals = match count {
            1 => "1 vassal".to_owned(),
            count => format!("{count} vassals"),
        };
        if self.errors.is_empty() {
            return format!("{vassals}, as the files say");
        }
        let shown = |(name, why): (&VassalName, &String)| {
            let why = shortened(&printable(why.as_bytes()), LONGEST);
            match why.starts_with(&printable(&name.file())) {
                true => why,
                false => format!("{}: {why}", printable(name.bytes())),
            }
        };
        let mut parts: Vec<String> = self.errors.iter().take(NAMED).map(shown).collect();
        if self.errors.len() > NAMED {
            parts.push("...".to_owned());
        }
        format!(
            "{vassals}, {} not as the file says: {}",
            self.errors.len(),
            parts.join("; ")
        )
    }
}
