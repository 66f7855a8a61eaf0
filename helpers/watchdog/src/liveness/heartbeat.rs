//! The heartbeat of an app: `WATCHDOG=1` (sd_notify(3)), or uWSGI's byte 26 (EMP-19). If it is demanded, or has been
//! sent once, it has to be sent again in time.

use crate::liveness::verdict::Verdict;
use std::time::{Duration, Instant};
use vassal_state::app::Heartbeat as Rule;

/// The heartbeat that is expected of one app.
#[derive(Debug)]
pub struct Heartbeat {
    rule: Rule,
    /// Since when there was none; `None` while none is expected.
    heard: Option<Instant>,
    serves: bool,
    is_uwsgis: bool,
}

impl Heartbeat {
    /// The heartbeat of an app that does not serve yet.
    pub fn new(rule: Rule, is_uwsgis: bool) -> Self {
        Self {
            rule,
            heard: None,
            serves: false,
            is_uwsgis,
        }
    }

    /// The processes that have sent it are replaced: nothing is expected before the next one.
    pub fn forget(&mut self) {
        self.heard = None;
    }

    /// The app serves from `now` on. A heartbeat that it has sent before counts as the promise of more.
    pub fn begin(&mut self, now: Instant) {
        self.serves = true;
        if self.rule.origin.is_some() || self.heard.is_some() {
            self.heard = Some(now);
        }
    }

    /// A heartbeat has arrived.
    pub fn beat(&mut self, now: Instant) {
        self.heard = Some(now);
    }

    /// The app or the machine did not run for `time`, in which it could not send.
    pub fn forgive(&mut self, time: Duration) {
        self.heard = self.heard.map(|heard| heard + time);
    }

    /// When its silence becomes a verdict.
    pub fn due(&self) -> Option<Instant> {
        let heard = self.heard.filter(|_| self.serves)?;
        Some(heard + self.rule.limit)
    }

    /// The verdict, if it is due.
    pub fn judge(&self, now: Instant) -> Option<Verdict> {
        let is_silent = self.due().is_some_and(|due| due <= now);
        let verdict = match self.is_uwsgis {
            true => Verdict::Stuck,
            false => Verdict::Silent,
        };
        is_silent.then(|| verdict(self.rule.limit))
    }

    /// The line that demands the heartbeat.
    pub fn origin(&self) -> Option<&str> {
        self.rule.origin.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn heartbeat(is_demanded: bool) -> Heartbeat {
        Heartbeat::new(
            Rule {
                limit: LIMIT,
                origin: is_demanded.then(|| "u.ini:9".into()),
            },
            false,
        )
    }

    #[test]
    fn what_is_demanded_has_to_come_from_when_the_app_serves() {
        let (mut heartbeat, now) = (heartbeat(true), Instant::now());
        assert_eq!(heartbeat.due(), None);
        heartbeat.begin(now);
        assert_eq!(heartbeat.judge(now + LIMIT / 2), None);
        assert_eq!(heartbeat.judge(now + LIMIT), Some(Verdict::Silent(LIMIT)));
        heartbeat.beat(now + LIMIT / 2);
        assert_eq!(heartbeat.judge(now + LIMIT), None);
        heartbeat.forgive(LIMIT);
        assert_eq!(heartbeat.judge(now + LIMIT * 2), None);
        assert_eq!(heartbeat.judge(now + LIMIT * 3), Some(Verdict::Silent(LIMIT)));
    }

    #[test]
    fn nothing_is_demanded_of_an_app_that_never_sends_and_once_begun_it_has_to_go_on() {
        let (mut never, mut once) = (heartbeat(false), heartbeat(false));
        let now = Instant::now();
        never.begin(now);
        once.beat(now);
        // It may load for longer than the limit.
        assert_eq!((never.due(), once.due()), (None, None));
        once.begin(now + LIMIT * 3);
        assert_eq!(once.judge(now + LIMIT * 4), Some(Verdict::Silent(LIMIT)));
        assert_eq!(never.judge(now + LIMIT * 4), None);
    }
}
