//! Asks systemd again and again for a little more time during a stop, instead of once for the sum of all limits: if the
//! watchdog itself hangs, because a process waits for a filesystem that is not the vassal's, systemd notices soon. A
//! vassal that ends by itself is not stopping for systemd; there the clock of `WatchdogSec=` has to be reset.

use crate::report::Reporter;
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

/// How much time is asked for: several messages may get lost.
const LIMIT: Duration = Duration::from_secs(20);
/// The time between two messages.
const PAUSE: Duration = Duration::from_secs(4);
/// The time before the first message if systemd has asked for the stop. Most stops are over by then, and when a
/// thousand vassals stop at once systemd has other things to do.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The clock of systemd that runs.
#[derive(Debug, Clone, Copy)]
enum Clock {
    /// The one for a stop or a start.
    Timeout,
    /// The one between two keep-alives.
    Watchdog,
}

/// Keeps systemd waiting while a vassal ends.
#[derive(Debug)]
pub struct TimeoutExtension<'a> {
    reporter: &'a Reporter,
    clock: Clock,
    pause: Duration,
    /// When the next message is due.
    due: Cell<Instant>,
    /// A status that is sent with the first message.
    status: RefCell<Option<String>>,
}

impl<'a> TimeoutExtension<'a> {
    /// For a vassal that stops, or has not served yet.
    pub fn new(reporter: &'a Reporter) -> Self {
        Self {
            reporter,
            clock: Clock::Timeout,
            pause: PAUSE,
            due: Cell::new(Instant::now()),
            status: RefCell::new(None),
        }
    }

    /// For a vassal that systemd has told to stop; `status` is shown if that takes a while.
    pub fn of_stop(reporter: &'a Reporter, status: String) -> Self {
        Self {
            due: Cell::new(Instant::now() + FIRST_PAUSE),
            status: RefCell::new(Some(status)),
            ..Self::new(reporter)
        }
    }

    /// For a vassal that serves as far as systemd knows, and has to send a keep-alive every `keep_alive`; `None`
    /// without `WatchdogSec=`.
    pub fn of_serving(reporter: &'a Reporter, keep_alive: Duration) -> Option<Self> {
        (!keep_alive.is_zero()).then(|| Self {
            clock: Clock::Watchdog,
            pause: PAUSE.min(keep_alive),
            ..Self::new(reporter)
        })
    }

    /// Sends a message if one is due.
    pub(super) fn keep(&self) {
        let now = Instant::now();
        if now >= self.due.get() {
            self.due.set(now + self.pause);
            match self.clock {
                Clock::Timeout => self.reporter.still_stopping(LIMIT, self.status.take().as_deref()),
                Clock::Watchdog => self.reporter.still_ending(),
            }
        }
    }
}
