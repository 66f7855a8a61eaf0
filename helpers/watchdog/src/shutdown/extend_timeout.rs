//! systemd waits for a stop as long as it hears that it goes on, and not for the sum of all limits: when the watchdog can do no
//! more, as a process waits for a filesystem that is not the vassal's, systemd is to notice soon. A vassal that ends by itself is
//! none that stops, for systemd: there it is the clock of `WatchdogSec=` that runs meanwhile.

use crate::report::Reporter;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// How long systemd waits for the next word: several of them may get lost.
const LIMIT: Duration = Duration::from_secs(20);
/// The time between two words.
const PAUSE: Duration = Duration::from_secs(4);

/// What systemd measures.
#[derive(Debug, Clone, Copy)]
enum Clock {
    /// A stop, or a start.
    Timeout,
    /// The time between two keep-alives.
    Watchdog,
}

/// The extension of systemd while a vassal ends.
#[derive(Debug)]
pub struct TimeoutExtension<'a> {
    reporter: &'a Reporter,
    clock: Clock,
    pause: Duration,
    said: Cell<Option<Instant>>,
}

impl<'a> TimeoutExtension<'a> {
    /// With one that stops, or has not served yet.
    pub fn new(reporter: &'a Reporter) -> Self {
        Self {
            reporter,
            clock: Clock::Timeout,
            pause: PAUSE,
            said: Cell::new(None),
        }
    }

    /// With one that serves, for all that systemd knows, and is to say so every `keep_alive`; none if it is not.
    pub fn of_serving(reporter: &'a Reporter, keep_alive: Duration) -> Option<Self> {
        (!keep_alive.is_zero()).then(|| Self {
            clock: Clock::Watchdog,
            pause: PAUSE.min(keep_alive),
            ..Self::new(reporter)
        })
    }

    /// Says that it goes on, when it is time.
    pub(super) fn keep(&self) {
        let now = Instant::now();
        if self.said.get().is_none_or(|said| now >= said + self.pause) {
            self.said.set(Some(now));
            match self.clock {
                Clock::Timeout => self.reporter.still_stopping(LIMIT),
                Clock::Watchdog => self.reporter.still_ending(),
            }
        }
    }
}
