//! Timers of all watchdogs of a machine, aligned to common moments. Most of the cost of a look is that nothing of it is in the
//! processor's caches any more. A watchdog that looks right after another finds there what both use: the program's code and
//! the kernel's. Measured with 25 and 80 vassals: half of what a look costs that each takes for itself.

use nix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// So many grids, evenly apart, share the watchdogs: an app that wants the processor meanwhile waits for a few of a
/// thousand only.
const GRIDS: u32 = 4;

/// Moments that are `step` apart.
#[derive(Debug, Clone, Copy)]
pub struct AlignedTimer {
    step: Duration,
    /// One of them.
    origin: Instant,
}

impl AlignedTimer {
    /// The timer of a watchdog that begins now. Every process reads the same clock (clock_gettime(2)).
    pub fn new(step: Duration) -> Self {
        let now = Instant::now();
        let clock = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
        let origin = now.checked_sub(past(clock, step)).unwrap_or(now);
        // Watchdogs begin at any moment: they are dealt out evenly.
        let timer = clock.subsec_micros() % GRIDS;
        Self {
            step,
            origin: origin + step * timer / GRIDS,
        }
    }

    /// The next moment after `now`.
    pub fn after(&self, now: Instant) -> Instant {
        match now.checked_duration_since(self.origin) {
            Some(time) => now + self.step - past(time, self.step),
            None => self.origin,
        }
    }
}

/// How much of the last `step` is over at `time`.
fn past(time: Duration, step: Duration) -> Duration {
    let nanos = time.as_nanos() % step.as_nanos().max(1);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_a_step_apart_and_the_same_for_all() {
        let step = Duration::from_millis(2250);
        let timer = AlignedTimer::new(step);
        let mut now = timer.origin;
        for _ in 0..3 {
            let next = timer.after(now);
            assert_eq!(next - now, step);
            assert_eq!(timer.after(next - Duration::from_millis(1)), next);
            now = next;
        }
        // A moment before the origin.
        assert_eq!(timer.after(timer.origin - step / 3), timer.origin);
        let apart = |other: &AlignedTimer| {
            let apart = timer.origin.max(other.origin) - timer.origin.min(other.origin);
            past(apart * GRIDS, step).min(step - past(apart * GRIDS, step))
        };
        for _ in 0..20 {
            let other = AlignedTimer::new(step);
            assert!(apart(&other) < step / 4, "{timer:?} {other:?}");
        }
    }
}
