//! The line in which starts wait. Each start takes the next number, locks the byte of that number, and waits for the
//! byte of the number before, which is unlocked when that start leaves the line, or ends for whatever reason. Waiting
//! for one common byte would be simpler, but whenever one of the waiting starts interrupts its wait to tell systemd
//! that it waits, all that came after it wake up ([`vassal_sys::byte_locks`]): 18 000 wakeups a second with a thousand
//! starts.

use crate::start::cells::Cells;
use std::time::Duration;
use vassal_sys::SysError;
use vassal_sys::byte_locks::{is_any_locked, lock_within, try_lock, unlock};
use vassal_sys::deadline::Deadline;

/// The byte of number 0.
const NUMBERS: u64 = 1 << 32;
/// The distance between the bytes: the kernel would merge locks on adjacent bytes into one, and split it again.
const APART: u64 = 2;
/// The byte that is locked while a number is taken.
const COUNTER: u64 = NUMBERS - APART;
/// The limit for taking a number, which is a matter of microseconds. A process that holds the lock longer is not
/// running.
const COUNTER_LIMIT: Duration = Duration::from_secs(10);

/// A start's position in the line, until it is dropped or the file is closed.
pub(super) struct Line<'a> {
    cells: &'a Cells,
    own: u64,
    /// The nearest number before it that may still be in the line.
    before: u64,
}

impl<'a> Line<'a> {
    /// Goes to the end of the line. `None` if another start holds the counter and does not run.
    pub(super) fn join(cells: &'a Cells) -> Result<Option<Self>, SysError> {
        let locks = cells.file();
        if !try_lock(locks, COUNTER)? && !lock_within(locks, COUNTER, COUNTER_LIMIT)? {
            return Ok(None);
        }
        let own = cells.last_number() + 1;
        // No other start has this number, so this succeeds at once.
        try_lock(locks, byte(own))?;
        cells.set_last_number(own)?;
        unlock(locks, COUNTER)?;
        Ok(Some(Self {
            cells,
            own,
            before: own - 1,
        }))
    }

    /// Waits until no start is before it, for at most `limit`. Returns whether it is the first now.
    pub(super) fn wait(&mut self, limit: Duration) -> Result<bool, SysError> {
        let (deadline, locks) = (Deadline::after(limit), self.cells.file());
        while self.is_behind()? {
            let next = byte(self.before);
            if !lock_within(locks, next, deadline.left())? {
                return Ok(false);
            }
            unlock(locks, next)?;
            // The start before has left without having been the first; another one further ahead may still be there.
            self.before = match self.before {
                0 => self.own - 1,
                before => before - 1,
            };
        }
        Ok(true)
    }

    /// Whether an earlier start is still in the line.
    fn is_behind(&self) -> Result<bool, SysError> {
        is_any_locked(self.cells.file(), NUMBERS..byte(self.own))
    }
}

impl Drop for Line<'_> {
    /// Lets the next start go on. After an error that happens when the file is closed, which is soon.
    fn drop(&mut self) {
        drop(unlock(self.cells.file(), byte(self.own)));
    }
}

fn byte(number: u64) -> u64 {
    NUMBERS + APART * number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_the_one_that_has_come_first_of_those_that_have_not_left() {
        let directory = tempfile::tempdir().unwrap();
        let all: [Cells; 4] = std::array::from_fn(|_| Cells::open(directory.path()).unwrap());
        let [mut a, mut b, c, mut d] = all.each_ref().map(|cells| Line::join(cells).unwrap().unwrap());
        let now = Duration::ZERO;
        assert!(a.wait(now).unwrap() && a.wait(now).unwrap());
        assert!(b.is_behind().unwrap() && d.is_behind().unwrap());
        drop(a);
        assert!(b.wait(now).unwrap());
        // It gives up before its turn: the one after it is not the first by that.
        drop(c);
        assert!(d.is_behind().unwrap());
        drop(b);
        assert!(d.wait(now).unwrap());
        drop(d);
        let mut e = Line::join(&all[0]).unwrap().unwrap();
        assert!(e.wait(now).unwrap());
    }
}
