//! Limits how often the table of mounts is read. Every user who may mount on the host can change it as often as he
//! likes, and after each change the whole table has to be read. The first change after a quiet time is looked at at
//! once, so that an unmount of the vassal's is reported within a millisecond. Then changes are ignored for a pause,
//! which grows while they continue.

use std::time::{Duration, Instant};

/// The first pause, too short to be noticed.
const FIRST: Duration = Duration::from_millis(20);
/// The longest pause. An unmount of the vassal's may be reported this late while other processes mount and unmount all
/// the time.
const LONGEST: Duration = Duration::from_secs(1);

/// The pauses between reads of the table.
#[derive(Debug, Default)]
pub struct Throttle {
    pause: Duration,
    looked: Option<Instant>,
}

impl Throttle {
    /// The table was read at `now`: returns when it may be read again. If the last read was at least
    /// two pauses ago, the pause is reset to the first one.
    pub fn next_after(&mut self, now: Instant) -> Instant {
        let is_quiet = self.looked.is_none_or(|looked| now >= looked + self.pause * 2);
        self.pause = match is_quiet {
            true => FIRST,
            false => LONGEST.min(self.pause * 2),
        };
        self.looked = Some(now);
        now + self.pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_while_changes_come_and_begins_anew_when_it_was_quiet() {
        let begun = Instant::now();
        let mut throttle = Throttle::default();
        let mut now = begun;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let next = throttle.next_after(now);
            pauses.push((next - now).as_millis());
            now = next;
        }
        assert_eq!(pauses, [20, 40, 80, 160, 320, 640, 1000, 1000, 1000]);
        // `now` is a second after the last look.
        assert_eq!(
            throttle.next_after(now + LONGEST / 2),
            now + LONGEST / 2 + LONGEST
        );
        let later = now + LONGEST / 2 + LONGEST * 2;
        assert_eq!(throttle.next_after(later), later + FIRST);
    }
}
