//! `WATCHDOG=1` of an app that sends it (sd_notify(3)), and uWSGI's heartbeat, byte 26 (EMP-19): where it is demanded, or has
//! been sent once, it has to come again in time.

use crate::liveness::verdict::Verdict;
use std::time::{Duration, Instant};
use vassal_state::app::Heartbeat as Rule;

/// What is expected of one app, and when it was last heard.
#[derive(Debug)]
pub struct Heartbeat {
    rule: Rule,
    /// From when silence counts; nothing is expected before.
    heard: Option<Instant>,
    serves: bool,
    is_uwsgis: bool,
}

impl Heartbeat {
    /// What is expected of an app that does not serve yet.
    pub fn new(rule: Rule, is_uwsgis: bool) -> Self {
        Self {
            rule,
            heard: None,
            serves: false,
            is_uwsgis,
        }
    }

    /// The processes that sent it are replaced: it counts again from the next one that is heard.
    pub fn forget(&mut self) {
        self.heard = None;
    }

    /// The app serves from `now` on. What it sent while it started says that it will go on.
    pub fn begin(&mut self, now: Instant) {
        self.serves = true;
        if self.rule.origin.is_some() || self.heard.is_some() {
            self.heard = Some(now);
        }
    }

    /// It has sent the message.
    pub fn beat(&mut self, now: Instant) {
        self.heard = Some(now);
    }

    /// The app, or the machine, has stood still for `time`, and could not send.
    pub fn forgive(&mut self, time: Duration) {
        self.heard = self.heard.map(|heard| heard + time);
    }

    /// When its silence is a verdict.
    pub fn due(&self) -> Option<Instant> {
        let heard = self.heard.filter(|_| self.serves)?;
        Some(heard + self.rule.limit)
    }

    /// The verdict, when it is due.
    pub fn judge(&self, now: Instant) -> Option<Verdict> {
        let is_silent = self.due().is_some_and(|due| due <= now);
        let verdict = match self.is_uwsgis {
            true => Verdict::Stuck,
            false => Verdict::Silent,
        };
        is_silent.then(|| verdict(self.rule.limit))
    }

    /// The line that demands it.
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
