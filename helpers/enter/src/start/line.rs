//! The line in which starts wait. Each that comes takes the next number, locks the byte of that number, and waits for the byte of the one
//! before it, which is unlocked when that leaves the line, or ends, however it does. A wait for one byte that all lock in turn would be
//! less to write, but each that looks up from it to tell systemd that it waits would wake all that have come later
//! ([`vassal_sys::byte_locks`]): 18 000 wakeups in a second were seen with a thousand starts.

use crate::start::cells::Cells;
use std::time::Duration;
use vassal_sys::SysError;
use vassal_sys::byte_locks::{is_any_locked, lock_within, try_lock, unlock};
use vassal_sys::deadline::Deadline;

/// The byte of number 0.
const NUMBERS: u64 = 1 << 32;
/// Bytes side by side would be one lock to the kernel, and be split again.
const APART: u64 = 2;
/// The byte that is locked while a number is taken.
const COUNTER: u64 = NUMBERS - APART;
/// A number is taken in microseconds. Where it takes so long, the process that takes one stands still.
const COUNTER_LIMIT: Duration = Duration::from_secs(10);

/// A start's place in the line, until it is dropped or the file closed.
pub(super) struct Line<'a> {
    cells: &'a Cells,
    own: u64,
    /// The nearest before it that may still be there.
    before: u64,
}

impl<'a> Line<'a> {
    /// Goes to the end of the line; nothing when the start that does so right now stands still.
    pub(super) fn join(cells: &'a Cells) -> Result<Option<Self>, SysError> {
        let locks = cells.file();
        if !try_lock(locks, COUNTER)? && !lock_within(locks, COUNTER, COUNTER_LIMIT)? {
            return Ok(None);
        }
        let own = cells.last_number() + 1;
        // Nothing else has it: locked it is at once.
        try_lock(locks, byte(own))?;
        cells.set_last_number(own)?;
        unlock(locks, COUNTER)?;
        Ok(Some(Self {
            cells,
            own,
            before: own - 1,
        }))
    }

    /// Waits until nothing is before it, for at most `limit`; whether it is the first now.
    pub(super) fn wait(&mut self, limit: Duration) -> Result<bool, SysError> {
        let (deadline, locks) = (Deadline::after(limit), self.cells.file());
        while self.is_behind()? {
            let next = byte(self.before);
            if !lock_within(locks, next, deadline.left())? {
                return Ok(false);
            }
            unlock(locks, next)?;
            // It has left, and was not the first: one that is further ahead is still there.
            self.before = match self.before {
                0 => self.own - 1,
                before => before - 1,
            };
        }
        Ok(true)
    }

    /// Whether one that has come earlier is still there.
    fn is_behind(&self) -> Result<bool, SysError> {
        is_any_locked(self.cells.file(), NUMBERS..byte(self.own))
    }
}

impl Drop for Line<'_> {
    /// The next one may be the first now. An error leaves that to the end of the open file, which is near.
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
