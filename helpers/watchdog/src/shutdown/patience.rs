//! systemd waits for a stop as long as it hears that it goes on, and not for the sum of all limits: when the watchdog can do no
//! more, as a process waits for a filesystem that is not the vassal's, systemd is to notice soon.

use crate::report::Reporter;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// How long systemd waits for the next word: several of them may get lost.
const LIMIT: Duration = Duration::from_secs(20);
/// The time between two words.
const PAUSE: Duration = Duration::from_secs(4);

/// The patience of systemd during a stop.
#[derive(Debug)]
pub struct Patience<'a> {
    reporter: &'a Reporter,
    said: Cell<Option<Instant>>,
}

impl<'a> Patience<'a> {
    /// Nothing has been said yet.
    pub fn new(reporter: &'a Reporter) -> Self {
        let said = Cell::new(None);
        Self { reporter, said }
    }

    /// Says that the stop goes on, when it is time.
    pub(super) fn keep(&self) {
        let now = Instant::now();
        if self.said.get().is_none_or(|said| now >= said + PAUSE) {
            self.said.set(Some(now));
            self.reporter.still_stopping(LIMIT);
        }
    }
}
