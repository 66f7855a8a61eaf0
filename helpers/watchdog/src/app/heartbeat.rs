//! uWSGI's heartbeat (EMP-19): a worker sends it, with the option `heartbeat`, as long as it goes through its loop. From the first one
//! on, an app that goes without for too long has got stuck.

use std::time::{Duration, Instant};

/// The heartbeat of one app.
#[derive(Debug, Clone, Default)]
pub struct Heartbeat {
    last: Option<Instant>,
}

impl Heartbeat {
    /// One was heard.
    pub fn heard(&mut self, now: Instant) {
        self.last = Some(now);
    }

    /// The workers are new ones: it counts again from the next one that is heard.
    pub fn forget(&mut self) {
        self.last = None;
    }

    /// Nobody could send one, or hear it, for `time`.
    pub fn forgive(&mut self, time: Duration) {
        self.last = self.last.map(|last| last + time);
    }

    /// When the next one is too late, of which `limit` is the longest time between two.
    pub fn due(&self, limit: Duration) -> Option<Instant> {
        self.last.map(|last| last + limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_due_before_the_first_and_what_nobody_could_send_does_not_count() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut heartbeat = Heartbeat::default();
        heartbeat.forgive(second);
        assert_eq!(heartbeat.due(second), None);
        heartbeat.heard(now);
        heartbeat.forgive(second * 2);
        assert_eq!(heartbeat.due(second), Some(now + second * 3));
        heartbeat.forget();
        assert_eq!(heartbeat.due(second), None);
    }
}
