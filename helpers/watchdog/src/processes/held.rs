//! /dev/fuse, as FUSE daemons have it open: while a copy of that is open, a connection does not end with its daemon. The requests of an app
//! wait then, and are answered with an error only when the watchdog has let go, which it does when the app stands still. Without a copy the
//! kernel would end the connection first, and the app would have answered wrongly before anything tells of the daemon's end.
//!
//! The copies are made in a process that may be lost ([`crate::processes::copies`]).

use crate::processes::copies::{BATCH, Giver, ends};
use crate::processes::probe::Probe;
use crate::processes::tree::{fuse_descriptors, is_fuse_device};
use nix::unistd::Pid;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;
use vassal_sys::clone::pidfd;
use vassal_sys::deadline::Deadline;
use vassal_sys::fds;
use vassal_sys::proc::Proc;

/// How many descriptors of /dev/fuse a daemon may have: libfuse can have one for each of its threads.
const MOST: usize = BATCH;
/// How long the copies are waited for, which take less than a millisecond.
const LIMIT: Duration = Duration::from_millis(100);

/// A daemon's connections.
#[derive(Debug)]
pub struct Held {
    daemon: Pid,
    _copies: Vec<OwnedFd>,
}

impl Held {
    /// Whether they are this daemon's.
    pub fn is_of(&self, daemon: Pid) -> bool {
        self.daemon == daemon
    }
}

/// Copies of /dev/fuse, as far as they can be had in time, and the process that has made them, which is to be reaped.
pub fn hold(proc: &Proc, daemons: &[Pid]) -> (Vec<Held>, Option<Pid>) {
    let (Ok((giver, taker)), false) = (ends(), daemons.is_empty()) else {
        return (Vec::new(), None);
    };
    let give = || {
        let all = daemons.iter().all(|daemon| give_copies(proc, *daemon, &giver));
        i32::from(!all || giver.end().is_err())
    };
    // At a limit of processes the daemons are not held.
    let Ok(Some(copier)) = Probe::run(give) else {
        return (Vec::new(), None);
    };
    drop(giver);
    let held = taker.batches(Deadline::after(LIMIT)).map(held).collect();
    copier.end();
    (held, Some(copier.pid))
}

/// In the child: copies what the daemon has open, and gives it to the watchdog if it is what it is to be.
fn give_copies(proc: &Proc, daemon: Pid, giver: &Giver) -> bool {
    let Ok(process) = pidfd(daemon) else { return true };
    let numbers = fuse_descriptors(proc, daemon).take(MOST);
    let copies: Vec<_> = numbers
        .filter_map(|number| fds::copy_of(process.as_fd(), number).ok())
        .collect();
    let is_right = |copy: &OwnedFd| {
        let path = CString::new(format!("self/fd/{}", copy.as_raw_fd()));
        path.is_ok_and(|path| is_fuse_device(proc, &path))
    };
    copies.iter().all(is_right) && giver.give(daemon.as_raw(), &copies).is_ok()
}

/// Copies where no process has them but the watchdog.
fn held((daemon, copies): (i32, Vec<OwnedFd>)) -> Held {
    let above = copies
        .iter()
        .filter_map(|copy| fds::copy_above(copy, fds::ALONE).ok());
    Held {
        daemon: Pid::from_raw(daemon),
        _copies: above.collect(),
    }
}
