//! The Emperor's time limits: for a vassal that has to end, between attempts of a vassal that has failed, and for
//! heartbeats. Settings in a vassal's own file take precedence.

use crate::diagnostic::Diagnostic;
use crate::language::evaluation::entry::Entry;
use crate::options::flag::is_on;
use crate::options::id::Id;
use std::time::Duration;
use vassal_escape::printable;

/// The longest time that is accepted.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// The shortest pause: without one, a vassal that cannot start would keep a processor busy.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// The time limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeLimits {
    /// `emperor-curse-tolerance`: how long an app may take to stop before it is killed (EMP-7).
    pub stop: Option<Duration>,
    /// `emperor-throttle`: the pause before the second restart (EMP-12).
    pub first_pause: Duration,
    /// `emperor-max-throttle`: the longest pause.
    pub longest_pause: Duration,
    /// `emperor-required-heartbeat`: the longest time between two heartbeats of an app that sends them (EMP-19).
    pub heartbeat: Duration,
    /// `emperor-no-blacklist`: all pauses are as long as the first.
    is_even: bool,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self {
            stop: None,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(180),
            heartbeat: Duration::from_secs(30),
            is_even: false,
        }
    }
}

impl TimeLimits {
    /// Takes `entry`, if it is one of these options, and returns whether it is. A time out of range is replaced, with a
    /// warning.
    ///
    /// # Errors
    /// A value that is not a number.
    pub fn add(&mut self, entry: &Entry, warnings: &mut Vec<Diagnostic>) -> Result<bool, Diagnostic> {
        let second = Duration::from_secs(1);
        let millisecond = Duration::from_millis(1);
        match entry.id() {
            Some(Id::EmperorCurseTolerance) => self.stop = Some(time(entry, second, second, warnings)?),
            Some(Id::EmperorThrottle) => {
                self.first_pause = time(entry, millisecond, SHORTEST_PAUSE, warnings)?
            }
            Some(Id::EmperorMaxThrottle) => {
                self.longest_pause = time(entry, millisecond, SHORTEST_PAUSE, warnings)?;
            }
            Some(Id::EmperorRequiredHeartbeat) => self.heartbeat = time(entry, second, second, warnings)?,
            Some(Id::EmperorNoBlacklist) => self.is_even = is_on(entry.value.as_deref().unwrap_or_default()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The longest pause, at least as long as the first.
    pub fn pause_limit(&self) -> Duration {
        match self.is_even {
            true => self.first_pause,
            false => self.longest_pause.max(self.first_pause),
        }
    }
}

/// The time in `entry`, a number of `unit`s; at least `least`.
fn time(
    entry: &Entry,
    unit: Duration,
    least: Duration,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Duration, Diagnostic> {
    let value = entry.value.as_deref().unwrap_or_default();
    let shown = format!("{} = {}", printable(&entry.key), printable(value));
    let number = std::str::from_utf8(value.trim_ascii()).ok();
    let number: u32 = number.and_then(|number| number.parse().ok()).ok_or_else(|| {
        let unit = if unit < Duration::from_secs(1) {
            "milliseconds"
        } else {
            "seconds"
        };
        Diagnostic::error(Some(entry.origin.clone()), format!("{shown}: not a number"))
            .with_hint(format!("write a number of {unit}"))
    })?;
    let time = unit.saturating_mul(number).clamp(least, LONGEST);
    if time != unit.saturating_mul(number) {
        let message = format!("{shown}: out of range, taken as {time:?}");
        warnings.push(Diagnostic::warning(Some(entry.origin.clone()), message));
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::evaluation::entry::entry;

    #[test]
    fn times_have_the_units_of_the_emperor_and_no_pause_is_nothing() {
        let (mut time_limits, mut warnings) = (TimeLimits::default(), Vec::new());
        assert_eq!(time_limits.pause_limit(), Duration::from_secs(180));
        for (key, value) in [
            ("emperor-curse-tolerance", "6"),
            ("emperor-throttle", "0"),
            ("emperor-max-throttle", "20"),
            ("emperor-required-heartbeat", "5"),
        ] {
            assert!(time_limits.add(&entry(key, value), &mut warnings).unwrap());
        }
        assert_eq!(time_limits.stop, Some(Duration::from_secs(6)));
        assert_eq!(
            (time_limits.first_pause, time_limits.pause_limit()),
            (SHORTEST_PAUSE, SHORTEST_PAUSE)
        );
        assert_eq!(time_limits.heartbeat, Duration::from_secs(5));
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        time_limits
            .add(&entry("emperor-max-throttle", "9000"), &mut warnings)
            .unwrap();
        assert_eq!(time_limits.pause_limit(), Duration::from_secs(9));
        time_limits
            .add(&entry("emperor-no-blacklist", "true"), &mut warnings)
            .unwrap();
        assert_eq!(time_limits.pause_limit(), SHORTEST_PAUSE);
        assert!(
            time_limits
                .add(&entry("emperor-throttle", "1s"), &mut warnings)
                .is_err()
        );
        assert!(!time_limits.add(&entry("emperor", "/v"), &mut warnings).unwrap());
    }
}
