//! The health check of an app: asks one question after the other, and judges the answers.

use crate::liveness::question::Question;
use crate::liveness::verdict::{Sign, Verdict};
use nix::unistd::Pid;
use std::time::{Duration, Instant};
use vassal_state::app::HealthCheck;
use vassal_sys::SysError;

/// For how long an app that reloads itself is not asked: the default of `TimeoutStartSec=`, which a start has.
const OWN_RELOAD: Duration = Duration::from_secs(90);

/// The check of one app.
#[derive(Debug)]
pub struct Check {
    rule: HealthCheck,
    asked: Option<Question>,
    /// When the next question is due.
    due: Instant,
    /// Whether no question is asked at present.
    is_paused: bool,
    /// Until when an app that reloads itself is not asked.
    quiet_until: Option<Instant>,
    /// Processes whose time was over, and that have not ended yet.
    over: Vec<Pid>,
    /// The time of the last good answer, and how long that took.
    answered: Option<(Instant, Duration)>,
    /// The number of failures in a row, and the last one.
    failed: u32,
    last: Sign,
    has_news: bool,
}

impl Check {
    /// A health check by `rule`, whose first question is due at `now`.
    pub fn new(rule: HealthCheck, now: Instant) -> Self {
        Self {
            last: Sign::Late(rule.deadline),
            rule,
            asked: None,
            due: now,
            is_paused: true,
            quiet_until: None,
            over: Vec::new(),
            answered: None,
            failed: 0,
            has_news: false,
        }
    }

    /// Asks if a question is due, and evaluates the result of the last one. Where no question may be asked, because
    /// another app could answer or the app cannot, a pending question is withdrawn. `ask` is [`Question::ask`].
    ///
    /// # Errors
    /// When no process can be forked, except at a limit of processes.
    pub fn tick(
        &mut self,
        may_ask: bool,
        now: Instant,
        ask: impl FnOnce(&HealthCheck, Instant) -> Result<Option<Question>, SysError>,
    ) -> Result<Option<Verdict>, SysError> {
        self.quiet_until = self.quiet_until.filter(|until| *until > now);
        self.is_paused = !may_ask;
        if self.is_paused || self.quiet_until.is_some() {
            self.take_back(now);
            return Ok(None);
        }
        if let Some(question) = self.asked.take_if(|question| question.end <= now) {
            question.stop();
            self.over.push(question.pid());
            self.close(question, Some(Sign::Late(self.rule.deadline)), now);
        }
        if self.asked.is_none() && self.due <= now {
            self.asked = ask(&self.rule, now)?;
            // No process can be forked now, which is no evidence against the app.
            self.due = now + self.rule.interval;
        }
        let is_sick = self.failed >= self.rule.failures;
        Ok(is_sick.then_some(Verdict::Sick(self.last, self.failed)))
    }

    /// Takes the end of the process `pid`. Returns whether it was one that asked.
    pub fn take_answer(&mut self, pid: Pid, now: Instant) -> bool {
        if let Some(question) = self.asked.take_if(|question| question.pid() == pid) {
            // A killed process has found nothing out, which does not count against the app.
            self.close(question, None, now);
            return true;
        }
        let is_over = self.over.contains(&pid);
        self.over.retain(|each| *each != pid);
        is_over
    }

    /// The app begins or ends to reload itself.
    pub fn reloads_itself(&mut self, is_under_way: bool, now: Instant) {
        self.quiet_until = is_under_way.then(|| now + OWN_RELOAD);
    }

    /// Ends a question; if it has no result, `otherwise` counts as the result.
    fn close(&mut self, mut question: Question, otherwise: Option<Sign>, now: Instant) {
        self.due = now + self.rule.interval;
        let otherwise = otherwise.map(|sign| (sign, self.rule.deadline));
        let Some((sign, took)) = question.found().or(otherwise) else {
            return;
        };
        self.has_news |= !sign.is_good() || self.failed > 0 || self.answered.is_none();
        if sign.is_good() {
            self.answered = Some((now, took));
            self.failed = 0;
        } else {
            self.failed += 1;
            self.last = sign;
        }
    }

    fn take_back(&mut self, now: Instant) {
        if let Some(question) = self.asked.take() {
            question.stop();
            self.over.push(question.pid());
        }
        self.due = now;
    }

    /// Stops asking, and kills the processes.
    pub fn end(&self) {
        self.asked.iter().for_each(Question::stop);
    }

    /// The machine did not run for `time`, which is not counted.
    pub fn forgive(&mut self, time: Duration) {
        if let Some(question) = &mut self.asked {
            question.forgive(time);
        }
    }

    /// When [`Check::tick`] has something to do.
    pub fn due(&self) -> Option<Instant> {
        if self.is_paused {
            return None;
        }
        let next = self.asked.as_ref().map_or(self.due, |question| question.end);
        Some(self.quiet_until.unwrap_or(next))
    }

    /// Whether the result has changed since the last call.
    pub fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.has_news)
    }

    /// The rule by which it asks.
    pub fn rule(&self) -> &HealthCheck {
        &self.rule
    }

    /// The time of the last good answer, and how long that took.
    pub fn answered(&self) -> Option<(Instant, Duration)> {
        self.answered
    }

    /// The number of failures in a row, and the last one.
    pub fn failed(&self) -> (u32, Sign) {
        (self.failed, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vassal_state::app::Url;

    const GOOD: Sign = Sign::Status(200);
    const BAD: Sign = Sign::Status(503);

    fn check() -> Check {
        let rule = HealthCheck {
            url: Url {
                address: "127.0.0.1:1".into(),
                path: "/".into(),
                is_kept: false,
            },
            interval: Duration::from_secs(10),
            deadline: Duration::from_secs(5),
            failures: 2,
            origin: "u.ini:1".into(),
        };
        Check::new(rule, Instant::now())
    }

    /// A tick at which a question may be asked, whose process finds `sign`.
    fn tick(check: &mut Check, may_ask: bool, now: Instant, sign: Option<Sign>) -> Option<Verdict> {
        let ask = |rule: &HealthCheck, now| Ok(Some(Question::found_out(sign, rule.deadline, now)));
        check.tick(may_ask, now, ask).unwrap()
    }

    fn pid(check: &Check) -> Pid {
        check.asked.as_ref().unwrap().pid()
    }

    #[test]
    fn so_many_failures_in_a_row_are_the_verdict_and_a_good_answer_begins_anew() {
        let (mut check, mut now) = (check(), Instant::now());
        let sick = Some(Verdict::Sick(BAD, 2));
        for (sign, failed, expected) in [
            (GOOD, 0, None),
            (BAD, 1, None),
            (GOOD, 0, None),
            (BAD, 1, None),
            (BAD, 2, sick),
        ] {
            assert_eq!(tick(&mut check, true, now, Some(sign)), None);
            let pid = pid(&check);
            assert!(check.take_answer(pid, now) && !check.take_answer(pid, now));
            assert_eq!(tick(&mut check, true, now, None), expected);
            assert_eq!(check.failed().0, failed);
            assert_eq!(check.due(), Some(now + check.rule.interval));
            now += check.rule.interval;
        }
    }

    #[test]
    fn a_question_that_is_taken_back_is_no_failure_and_is_asked_again() {
        let (mut check, now) = (check(), Instant::now());
        tick(&mut check, true, now, Some(BAD));
        let first = pid(&check);
        assert_eq!(tick(&mut check, false, now, None), None);
        assert_eq!((check.due(), check.failed().0), (None, 0));
        assert!(check.take_answer(first, now));
        check.reloads_itself(true, now);
        tick(&mut check, true, now, None);
        assert_eq!(check.due(), Some(now + OWN_RELOAD));
        check.reloads_itself(false, now);
        tick(&mut check, true, now, Some(GOOD));
        assert!(check.asked.is_some());
        check.end();
    }

    #[test]
    fn a_process_that_was_killed_has_found_nothing() {
        let (mut check, now) = (check(), Instant::now());
        tick(&mut check, true, now, None);
        let pid = pid(&check);
        assert!(check.take_answer(pid, now));
        assert_eq!((check.failed().0, check.answered()), (0, None));
    }

    #[test]
    fn a_time_that_is_over_is_a_failure_unless_the_machine_stood_still() {
        let (mut check, now) = (check(), Instant::now());
        tick(&mut check, true, now, None);
        let over = now + check.rule.deadline;
        check.forgive(Duration::from_secs(1));
        tick(&mut check, true, over, None);
        assert_eq!(check.failed().0, 0);
        let first = pid(&check);
        tick(&mut check, true, over + Duration::from_secs(1), None);
        assert_eq!(check.failed(), (1, Sign::Late(check.rule.deadline)));
        assert!(check.take_answer(first, over));
    }
}
