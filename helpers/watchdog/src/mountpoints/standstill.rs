//! Detects time in which the machine, or this unit, did not run, by waits that took too long. Such time is no evidence
//! against any filesystem.

use std::time::Duration;

/// A wait that took this much longer than requested, or a turn of work that took this long, contains a standstill.
const STALL: Duration = Duration::from_millis(300);
/// While a probe or a thread is being timed, no wait is longer than this, so that a standstill shows up in it.
pub const TICK: Duration = Duration::from_millis(250);

/// The length of the standstill, zero for none. This process has `worked` since it woke up, then was to wait for `left`
/// (`None`: for an event, without a limit), and has waited for `slept`.
pub fn standstill(worked: Duration, left: Option<Duration>, slept: Duration) -> Duration {
    let overslept = left.map_or(Duration::ZERO, |left| slept.saturating_sub(left));
    let stalls = [worked, overslept].into_iter();
    stalls.filter(|time| *time > STALL).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_nobody_asked_for_is_a_standstill() {
        let ms = Duration::from_millis;
        let cases = [
            // What every machine takes.
            ((3, Some(250), 251), 0),
            ((3, Some(250), 540), 0),
            // Stopped while it waited, while it worked, or twice.
            ((3, Some(250), 5250), 5000),
            ((4000, Some(250), 20), 4000),
            ((4000, Some(250), 5250), 9000),
            // Nothing was due.
            ((3, None, 60_000), 0),
        ];
        for ((worked, left, slept), expected) in cases {
            let found = standstill(ms(worked), left.map(ms), ms(slept));
            assert_eq!(found, ms(expected), "{worked} {left:?} {slept}");
        }
    }
}
